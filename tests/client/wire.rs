//! A network of our own, with nobody in it, and an eye on what is sent.
#![forbid(unsafe_code)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket,
};
use tempfile::NamedTempFile;

/// What the client's side is called, and the other side, which is not there.
pub const NEAR: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
pub const FAR: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// A name with both addresses of the other side.
pub const FAR_NAME: &str = "both.test";

/// One packet that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A TCP segment with its flags.
    Tcp { to: IpAddr, port: u16, flags: u8 },
    /// A UDP datagram.
    Udp { from: IpAddr, to: IpAddr, port: u16, payload: Vec<u8> },
}

/// The network namespace of the thread it was made in.
pub struct Wire {
    eye: OwnedFd,
    _hosts: NamedTempFile,
}

/// Runs `test` in namespaces that end with it. Without root it is skipped.
pub fn on_a_wire(test: impl FnOnce(&Wire) + Send) {
    needs!(root);
    let outcome = thread::scope(|scope| scope.spawn(|| test(&Wire::new())).join());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Wire {
    /// Namespaces belong to a thread: only this one and the programs that it
    /// starts are in the new ones.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let hosts = NamedTempFile::new().unwrap();
        fs::write(&hosts, FAR.map(|address| format!("{address} {FAR_NAME}\n")).concat())
            .unwrap();
        run("mount --make-rprivate /");
        run(&format!("mount --bind {} /etc/hosts", hosts.path().display()));
        // Without ARP nobody has to answer: what is sent leaves at once.
        run("ip link add knock0 arp off type veth peer name knock1");
        run("ip link set knock1 up");
        run("ip address add 192.0.2.2/24 dev knock0");
        run("ip address add 2001:db8::2/64 dev knock0 nodad");
        run("ip link set knock0 up");
        let eye = socket(
            AddressFamily::Packet,
            SockType::Datagram,
            SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )
        .unwrap();
        Self { eye, _hosts: hosts }
    }

    /// What has left since the last time, in order. A program that has ended
    /// has sent all that it ever will.
    pub fn seen(&self) -> Vec<Packet> {
        let mut packets = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            match recvfrom::<LinkAddr>(self.eye.as_raw_fd(), &mut buffer) {
                // The other end of the wire sees everything a second time.
                Ok((length, from)) => {
                    if from.is_some_and(|from| from.pkttype() == libc::PACKET_OUTGOING) {
                        packets.extend(read(&buffer[..length]));
                    }
                }
                Err(Errno::EAGAIN) => return packets,
                Err(error) => panic!("cannot look at the wire: {error}"),
            }
        }
    }
}

/// Runs one program of the system.
pub fn run(line: &str) {
    let mut words = line.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{line}");
}

/// A TCP or UDP packet over IPv4 or IPv6 without options.
fn read(packet: &[u8]) -> Option<Packet> {
    let (protocol, from, to, rest) = match packet.first()? >> 4 {
        4 => {
            let [from, to] = [12, 16].map(|at| {
                IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap()))
            });
            (packet[9], from, to, &packet[20..])
        }
        6 => {
            let [from, to] = [8, 24].map(|at| {
                IpAddr::from(Ipv6Addr::from(
                    <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap(),
                ))
            });
            (packet[6], from, to, &packet[40..])
        }
        _ => return None,
    };
    let port = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
    match protocol {
        6 => Some(Packet::Tcp { to, port, flags: rest[13] }),
        17 => Some(Packet::Udp { from, to, port, payload: rest[8..].to_vec() }),
        _ => None,
    }
}
