//! The decoders against what the kernel may send, and the socket against
//! what it may get.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_MULTIPART, NetlinkMessage};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, DataAttribute, Hook, InetHookNumber, ListAttribute,
    NfTablesMessage, SetAttribute, SetElementAttribute, SetElementFlags, SetElementList,
    SetElementMessage, SetFlags, SetMessage,
};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, send,
    sendto, socket,
};
use nix::unistd::geteuid;
use proptest::prelude::*;

use super::reply::{
    Body, Element, Reply, elements, generation, hooked_chain, is_dormant, replies, shape,
};
use super::request::{Change, change, get_elements, get_generation};
use super::set::{Set, Shape};
use super::socket::Socket;
use crate::core::address::Family;
use crate::firewall::FirewallErrorKind;

/// Makes the kernel accept a batch in any generation.
const ANY_GENERATION: u32 = 0;

/// A message as the kernel would send it.
fn sent(message: NfTablesMessage, flags: u16) -> Vec<u8> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, message));
    message.header.sequence_number = 7;
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn ended(kind: i32, code: i32) -> Vec<u8> {
    ended_for(7, kind, code)
}

fn ended_for(sequence: u32, kind: i32, code: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(20_u32.to_ne_bytes());
    bytes.extend((kind as u16).to_ne_bytes());
    bytes.extend(NLM_F_MULTIPART.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(code.to_ne_bytes());
    bytes
}

fn element(attributes: Vec<SetElementAttribute>) -> ListAttribute<SetElementAttribute> {
    ListAttribute::Element(attributes)
}

fn key(bytes: &[u8]) -> SetElementAttribute {
    SetElementAttribute::Key(DataAttribute::Value(bytes.to_vec()))
}

fn holding(list: Vec<ListAttribute<SetElementAttribute>>, flags: u16) -> Vec<u8> {
    let attributes =
        vec![SetElementList::Set("knock_ssh_v4".into()), SetElementList::Elements(list)];
    sent(NfTablesMessage::NewSetElement(SetElementMessage { attributes }), flags)
}

/// All elements in a datagram.
fn read(datagram: &[u8], family: Family) -> io::Result<Vec<Element>> {
    let mut found = Vec::new();
    for reply in replies(datagram) {
        if let Body::Object { attributes: object, .. } = reply?.body {
            elements(object, family, &mut found)?;
        }
    }
    Ok(found)
}

fn at(address: impl Into<IpAddr>) -> Element {
    Element { address: Some(address.into()), is_start: true }
}

#[test]
fn a_datagram_holds_several_messages() {
    let mut datagram = holding(vec![element(vec![key(&[192, 0, 2, 7])])], NLM_F_MULTIPART);
    datagram.extend(holding(vec![element(vec![key(&[192, 0, 2, 8])])], NLM_F_DUMP_INTR));
    datagram.extend(ended(libc::NLMSG_DONE, 0));
    let all: Vec<_> = replies(&datagram).map(Result::unwrap).collect();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|reply| reply.sequence == 7));
    assert_eq!(all.iter().map(|r| r.interrupted).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(all[2].body, Body::End(0));
    let found = read(&datagram, Family::V4).unwrap();
    assert_eq!(found, [7, 8].map(|last| at([192, 0, 2, last])));
}

#[test]
fn a_refusal_tells_the_systems_number() {
    for kind in [libc::NLMSG_ERROR, libc::NLMSG_DONE] {
        let datagram = ended(kind, -libc::EPERM);
        let reply = replies(&datagram).next().unwrap().unwrap();
        assert_eq!(reply.body, Body::End(libc::EPERM));
        assert!(replies(&ended(kind, i32::MIN)).next().unwrap().is_err());
    }
}

#[test]
fn flags_name_the_end_of_an_interval_and_the_element_for_every_address() {
    let catchall = SetElementAttribute::Flags(SetElementFlags::CatchAll);
    let datagram = holding(vec![element(vec![catchall])], 0);
    let every = Element { address: None, is_start: true };
    assert_eq!(read(&datagram, Family::V4).unwrap(), [every]);
    assert_eq!(read(&datagram, Family::V6).unwrap(), [every]);
    let end = SetElementAttribute::Flags(SetElementFlags::IntervalEnd);
    let datagram = holding(vec![element(vec![key(&[192, 0, 3, 0]), end])], 0);
    let end = Element { is_start: false, ..at([192, 0, 3, 0]) };
    assert_eq!(read(&datagram, Family::V4).unwrap(), [end]);
}

#[test]
fn keys_of_another_length_are_malformed() {
    let datagram = holding(vec![element(vec![key(&[1, 2, 3, 4, 5])])], 0);
    assert!(read(&datagram, Family::V4).is_err());
    assert!(read(&datagram, Family::V6).is_err());
    assert!(read(&holding(vec![element(vec![])], 0), Family::V4).is_err());
}

#[test]
fn the_shape_of_a_set_is_what_its_attributes_say() {
    let object = |attributes| sent(NfTablesMessage::NewSet(SetMessage { attributes }), 0);
    let read = |datagram: &[u8]| match replies(datagram).next().unwrap().unwrap().body {
        Body::Object { attributes: object, .. } => shape(object).unwrap(),
        Body::End(_) => panic!("no object"),
    };
    let plain = object(vec![SetAttribute::KeyType(7), SetAttribute::KeyLen(4)]);
    let shape = Shape { flags: 0, key_type: 7, key_length: 4, expires: false, merges: false };
    assert_eq!(read(&plain), shape);
    let timed = object(vec![
        SetAttribute::Flags(SetFlags::Timeout),
        SetAttribute::KeyType(8),
        SetAttribute::KeyLen(16),
        SetAttribute::Timeout(60_000),
    ]);
    let shape =
        Shape { flags: 0x10, key_type: 8, key_length: 16, expires: true, merges: false };
    assert_eq!(read(&timed), shape);
}

#[test]
fn only_chains_with_a_hook_in_the_table_count() {
    let hooked = |table: &str, hook: bool| {
        let mut attributes =
            vec![ChainAttribute::Table(table.into()), ChainAttribute::Name("input".into())];
        if hook {
            let local_in = Hook::Number(InetHookNumber::LocalIn.into());
            attributes.push(ChainAttribute::Hook(vec![local_in]));
        }
        let datagram = sent(NfTablesMessage::NewChain(ChainMessage { attributes }), 0);
        match replies(&datagram).next().unwrap().unwrap().body {
            Body::Object { attributes: object, .. } => {
                hooked_chain(object, "knockd").unwrap().is_some()
            }
            Body::End(_) => panic!("no object"),
        }
    };
    assert!(hooked("knockd", true));
    assert!(!hooked("knockd", false));
    assert!(!hooked("knockd2", true));
}

/// Reads bytes in every way there is; an error is as good as an answer.
fn read_all(bytes: &[u8]) {
    for reply in replies(bytes) {
        if let Ok(Reply { body: Body::Object { attributes: object, .. }, .. }) = reply {
            let _ = (generation(object), is_dormant(object), shape(object));
            let _ = hooked_chain(object, "knockd");
            for family in Family::BOTH {
                let _ = elements(object, family, &mut Vec::new());
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_read_without_panic(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn a_damaged_answer_is_read_without_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = holding(vec![element(vec![key(&[192, 0, 2, 7])])], 0);
        bytes.extend(ended(libc::NLMSG_DONE, 0));
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_all(&bytes);
    }

    #[test]
    fn every_listed_address_is_read(v4: Vec<[u8; 4]>, v6: Vec<[u8; 16]>) {
        let sent: Vec<_> = v4.iter().map(|bytes| element(vec![key(bytes)])).collect();
        let hosts: Vec<_> =
            v4.iter().map(|bytes| at(*bytes)).collect();
        prop_assert_eq!(read(&holding(sent, 0), Family::V4).unwrap(), hosts);
        let sent: Vec<_> = v6.iter().map(|bytes| element(vec![key(bytes)])).collect();
        let hosts: Vec<_> =
            v6.iter().map(|bytes| at(*bytes)).collect();
        prop_assert_eq!(read(&holding(sent, 0), Family::V6).unwrap(), hosts);
    }
}

/// Runs `test` in a network namespace of its own with a socket that has been
/// used once: a question gets its sequence number, 2 at first.
fn with_socket(test: impl FnOnce(Socket) + Send) {
    if !geteuid().is_root() {
        assert!(std::env::var_os("KNOCKD_TESTS_STRICT").is_none(), "needs root");
        eprintln!("skipped: needs root");
        return;
    }
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut socket = Socket::open().unwrap();
        assert!(asked(&mut socket) > 0);
        test(socket);
    };
    if let Err(panic) = thread::scope(|scope| scope.spawn(run).join()) {
        std::panic::resume_unwind(panic);
    }
}

fn asked(socket: &mut Socket) -> u32 {
    let mut current = 0;
    let take = |object: &[u8]| {
        current = generation(object)?;
        Ok(())
    };
    socket.ask(get_generation, take).unwrap();
    current
}

#[test]
fn an_answer_that_is_not_of_the_kernel_is_no_answer() {
    with_socket(|mut ours| {
        let theirs = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        );
        let (theirs, ours_at) =
            (theirs.unwrap(), getsockname::<NetlinkAddr>(ours.fd.as_raw_fd()).unwrap());
        let forged = ended_for(2, libc::NLMSG_ERROR, -libc::EPERM);
        sendto(theirs.as_raw_fd(), &forged, &ours_at, MsgFlags::empty()).unwrap();
        assert!(asked(&mut ours) > 0);
    });
}

#[test]
fn an_answer_to_an_earlier_question_is_skipped() {
    with_socket(|mut ours| {
        send(ours.fd.as_raw_fd(), &get_generation(1), MsgFlags::empty()).unwrap();
        let mut objects = 0;
        let take = |_: &[u8]| {
            objects += 1;
            Ok(())
        };
        ours.ask(get_generation, take).unwrap();
        assert_eq!(objects, 1);
    });
}

#[test]
fn a_lost_answer_is_an_error_and_the_next_one_is_read() {
    with_socket(|mut ours| {
        let lost = ours.ask(|sequence| get_generation(sequence + 1000), |_| Ok(()));
        let lost = lost.unwrap_err();
        assert_eq!(lost.kind(), io::ErrorKind::TimedOut);
        let set = Set::new("knockd", "knock_ssh", Family::V4).unwrap();
        let error = set.failed("cannot add 192.0.2.7 to", lost);
        assert_eq!(error.kind, FirewallErrorKind::Unanswered, "the change may have been made");
        assert!(error.to_string().ends_with(": no answer from the kernel"), "{error}");
        assert!(asked(&mut ours) > 0);
    });
}

#[test]
fn a_list_in_which_something_comes_twice_is_requested_again() {
    with_socket(|mut ours| {
        let asked = Cell::new(0);
        let build = |sequence| {
            asked.set(asked.get() + 1);
            get_generation(sequence)
        };
        let take = |_: &[u8], list: &mut Vec<u32>| {
            list.extend(if asked.get() == 1 { [1, 2, 1] } else { [1, 2, 3] });
            Ok(())
        };
        assert_eq!(ours.list(build, take).unwrap(), [1, 2, 3]);
        assert_eq!(asked.get(), 2);
    });
}

#[test]
fn a_list_that_changes_meanwhile_is_requested_again() {
    with_socket(|mut ours| {
        let set = Set::new("knockd", "knock_ssh", Family::V4).unwrap();
        let other = Set::new("knockd", "knock_web", Family::V4).unwrap();
        let address = |number: u32| Ipv4Addr::from_bits(0x0a00_0000 + number);
        let elements_of: Vec<_> = (0..5000).map(|number| address(number).to_string()).collect();
        // Of a fixed size, it has a hash table that does not grow.
        let script = format!(
            "table inet knockd {{
                 set knock_ssh_v4 {{ type ipv4_addr; size 8192; }};
                 set knock_web_v4 {{ type ipv4_addr; }};
             }}
             add element inet knockd knock_ssh_v4 {{ {} }}",
            elements_of.join(",")
        );
        let nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn();
        let mut nft = nft.unwrap();
        nft.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success());

        let asked = Cell::new(0);
        let build = |sequence| {
            asked.set(asked.get() + 1);
            get_elements(&set, sequence)
        };
        let take = |object: &[u8], list: &mut Vec<Element>| {
            if asked.get() == 1 && list.is_empty() {
                let add = |sequence| {
                    change(Change::Add, &other, &[at(address(9999))], ANY_GENERATION, sequence)
                };
                Socket::open()?.ask(add, |_| Ok(()))?;
            }
            elements(object, set.family, list)
        };
        assert_eq!(ours.list(build, take).unwrap().len(), 5000);
        assert_eq!(asked.get(), 2);
    });
}
