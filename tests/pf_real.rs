//! The tables, the states and the capture of a real kernel with pf, compared
//! with what pfctl says. tests/pf/run makes the set-up and runs this.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use knockd::capture::{Capture, Frames};
use knockd::core::address::Entry;
use knockd::core::door::Table;
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::interface::{Selection, Selector};
use knockd::core::sighting::{Port, Protocol};
use knockd::firewall::{
    Added, Deleted, Firewall, FirewallErrorKind, Kill, Status, Warning, pf,
};
use nix::sys::select::{FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike};
use security_key::SecurityKey;

#[path = "common/security_key.rs"]
mod security_key;

/// In the main ruleset and in the anchor; rules refer to both.
const USED: &str = "knockd_test";
/// In the main ruleset; no rule refers to it.
const IDLE: &str = "knockd_idle";
/// In the main ruleset: const, holding 192.0.2.1.
const CONST: &str = "knockd_const";
/// The anchor with rules; another one that nothing stands in.
const ANCHOR: &str = "knockd_test";
const EMPTY_ANCHOR: &str = "knockd_flush";
/// In no ruleset.
const MISSING: &str = "knockd_none";

/// How long something that was asked for may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the agent of the security key lives at most.
const LIFE: Duration = Duration::from_secs(300);

/// pf, where the set-up was made.
fn open() -> Option<Box<dyn Firewall>> {
    let has_pf = cfg!(any(target_os = "freebsd", target_os = "openbsd", target_os = "macos"));
    if has_pf && std::env::var_os("KNOCKD_PF_REAL").is_some_and(|value| value == "1") {
        return Some(pf::open().unwrap());
    }
    println!("skipped: needs root on a system with pf, see tests/pf/run");
    None
}

fn main_table(name: &str) -> Table {
    Table { anchor: None, name: name.into() }
}

fn anchored(anchor: &str, name: &str) -> Table {
    Table { anchor: Some(anchor.into()), name: name.into() }
}

fn entry(address: &str, prefix: u8) -> Entry {
    Entry::new(address.parse().unwrap(), prefix).unwrap()
}

fn pfctl(arguments: &[&str]) -> String {
    let output = Command::new("pfctl").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pfctl {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Has pfctl act on a table.
fn on_table(table: &Table, act: &[&str]) -> String {
    let mut arguments = Vec::new();
    if let Some(anchor) = &table.anchor {
        arguments.extend(["-a", anchor]);
    }
    arguments.extend(["-q", "-t", &table.name, "-T"]);
    arguments.extend(act);
    pfctl(&arguments)
}

/// What pfctl says that a table holds.
fn shown(table: &Table) -> Vec<String> {
    let mut shown: Vec<_> =
        on_table(table, &["show"]).lines().map(|line| line.trim().to_owned()).collect();
    shown.sort();
    shown
}

/// What we say that it holds.
fn listed(pf: &mut dyn Firewall, table: &Table) -> Vec<String> {
    let mut listed: Vec<_> = pf.list(table).unwrap().iter().map(Entry::to_string).collect();
    listed.sort();
    listed
}

#[test]
fn an_entry_is_added_once_and_deleted_once() {
    let Some(mut pf) = open() else { return };
    for table in [main_table(USED), anchored(ANCHOR, USED)] {
        on_table(&table, &["flush"]);
        pf.probe(&table).unwrap();
        for entry in [
            entry("192.0.2.7", 32),
            entry("198.51.100.0", 24),
            entry("2001:db8::7", 128),
            entry("2001:db8:1::", 48),
        ] {
            assert!(!pf.holds(&table, entry).unwrap(), "{entry}");
            assert_eq!(pf.add(&table, entry).unwrap(), Added::Added, "{entry}");
            assert!(pf.holds(&table, entry).unwrap(), "{entry}");
            assert_eq!(shown(&table), [entry.to_string()]);
            assert_eq!(pf.add(&table, entry).unwrap(), Added::Present, "{entry}");
            assert_eq!(shown(&table), [entry.to_string()]);
            assert_eq!(listed(pf.as_mut(), &table), [entry.to_string()]);
            assert_eq!(pf.delete(&table, entry).unwrap(), Deleted::Deleted, "{entry}");
            assert!(shown(&table).is_empty());
            assert_eq!(pf.delete(&table, entry).unwrap(), Deleted::Absent, "{entry}");
        }
    }
}

#[test]
fn a_host_is_not_the_network_around_it() {
    let Some(mut pf) = open() else { return };
    let table = main_table(USED);
    on_table(&table, &["flush"]);
    on_table(&table, &["add", "198.51.100.0/24"]);
    let host = entry("198.51.100.9", 32);
    assert!(!pf.holds(&table, host).unwrap());
    assert_eq!(pf.delete(&table, host).unwrap(), Deleted::Absent);
    assert_eq!(pf.add(&table, host).unwrap(), Added::Added);
    assert_eq!(pf.delete(&table, host).unwrap(), Deleted::Deleted);
    assert_eq!(shown(&table), ["198.51.100.0/24"]);
    on_table(&table, &["flush"]);
}

#[test]
fn a_table_is_listed_whole_however_much_it_holds() {
    let Some(mut pf) = open() else { return };
    let table = main_table(USED);
    on_table(&table, &["flush"]);
    assert!(pf.list(&table).unwrap().is_empty());
    // 64 fill the first buffer exactly.
    for (count, number) in (1..=500_u32).enumerate() {
        let host = Entry::host(Ipv4Addr::from_bits(0xc612_0000 | number).into());
        assert_eq!(pf.add(&table, host).unwrap(), Added::Added);
        if [63, 64, 65, 500].contains(&(count + 1)) {
            assert_eq!(pf.list(&table).unwrap().len(), count + 1);
        }
    }
    assert_eq!(listed(pf.as_mut(), &table), shown(&table));
    on_table(&table, &["flush"]);
}

#[test]
fn a_table_in_an_anchor_is_not_the_one_of_the_same_name_outside() {
    let Some(mut pf) = open() else { return };
    let (outside, inside) = (main_table(USED), anchored(ANCHOR, USED));
    on_table(&outside, &["flush"]);
    on_table(&inside, &["flush"]);
    let host = entry("192.0.2.8", 32);
    assert_eq!(pf.add(&inside, host).unwrap(), Added::Added);
    assert!(shown(&outside).is_empty());
    assert_eq!(shown(&inside), ["192.0.2.8"]);
    assert_eq!(pf.delete(&outside, host).unwrap(), Deleted::Absent);
    let slashed = anchored(&format!("/{ANCHOR}"), USED);
    assert_eq!(pf.delete(&slashed, host).unwrap(), Deleted::Deleted);
}

#[test]
fn a_const_table_can_be_read_and_says_why_it_cannot_be_changed() {
    let Some(mut pf) = open() else { return };
    let table = main_table(CONST);
    assert_eq!(listed(pf.as_mut(), &table), ["192.0.2.1"]);
    let refused = [
        pf.probe(&table).unwrap_err(),
        pf.add(&table, entry("192.0.2.2", 32)).unwrap_err(),
        pf.delete(&table, entry("192.0.2.1", 32)).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, FirewallErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("drop `const`"), "{error}");
    }
    assert_eq!(shown(&table), ["192.0.2.1"]);
}

#[test]
fn a_missing_table_is_reported_with_the_line_that_makes_it() {
    let Some(mut pf) = open() else { return };
    for table in
        [main_table(MISSING), anchored(ANCHOR, MISSING), anchored("knockd_nowhere", MISSING)]
    {
        let host = entry("192.0.2.9", 32);
        let refused = [
            pf.probe(&table).unwrap_err(),
            pf.add(&table, host).unwrap_err(),
            pf.delete(&table, host).unwrap_err(),
            pf.list(&table).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind, FirewallErrorKind::Missing, "{error}");
            let line = format!("add `table <{MISSING}> persist`");
            assert!(error.to_string().contains(&line), "{error}");
        }
    }
}

#[test]
fn a_table_that_was_made_stays_until_it_is_flushed_away() {
    let Some(mut pf) = open() else { return };
    let table = anchored(EMPTY_ANCHOR, "knockd_made");
    let host = entry("2001:db8::9", 128);
    for _ in 0..2 {
        pf.create(&table).unwrap();
        pf.create(&table).unwrap();
        assert!(shown(&table).is_empty());
        assert_eq!(pf.add(&table, host).unwrap(), Added::Added);
        // Making what is there already changes nothing.
        pf.create(&table).unwrap();
        assert_eq!(shown(&table), ["2001:db8::9"]);
        pfctl(&["-q", "-a", EMPTY_ANCHOR, "-F", "Tables"]);
        assert_eq!(pf.probe(&table).unwrap_err().kind, FirewallErrorKind::Missing);
        assert_eq!(pf.add(&table, host).unwrap_err().kind, FirewallErrorKind::Missing);
    }
}

#[test]
fn what_others_put_into_a_table_is_seen_as_theirs() {
    let Some(mut pf) = open() else { return };
    let table = main_table(USED);
    on_table(&table, &["flush"]);
    on_table(&table, &["add", "192.0.2.50", "!192.0.2.51"]);
    assert!(pf.holds(&table, entry("192.0.2.50", 32)).unwrap(), "whoever put it there");
    assert!(!pf.holds(&table, entry("192.0.2.51", 32)).unwrap(), "it excludes");
    assert_eq!(pf.add(&table, entry("192.0.2.50", 32)).unwrap(), Added::Present);
    let error = pf.add(&table, entry("192.0.2.51", 32)).unwrap_err();
    assert_eq!(error.kind, FirewallErrorKind::Denied, "{error}");
    assert_eq!(pf.delete(&table, entry("192.0.2.51", 32)).unwrap(), Deleted::Absent);
    assert_eq!(listed(pf.as_mut(), &table), ["192.0.2.50"]);
    assert_eq!(shown(&table), ["!192.0.2.51", "192.0.2.50"]);
    on_table(&table, &["flush"]);
}

#[test]
fn a_review_finds_the_table_that_no_rule_refers_to_and_nothing_else() {
    let Some(mut pf) = open() else { return };
    assert_eq!(pf.status().unwrap(), Status::Enforcing);
    let tables = [main_table(USED), main_table(IDLE), anchored(ANCHOR, USED)];
    let warnings = pf.review(&tables, &["lo0".into()]).unwrap();
    assert_eq!(warnings, [Warning::Unreferenced(main_table(IDLE))]);
}

/// Lines of `pfctl -ss` with this port.
fn states(port: u16) -> usize {
    let end = format!(":{port}");
    let has = |line: &&str| line.split_whitespace().any(|word| word.ends_with(&end));
    pfctl(&["-s", "states"]).lines().filter(has).count()
}

#[test]
fn killing_ends_the_states_of_an_address_to_the_ports_and_counts_them() {
    let Some(mut pf) = open() else { return };
    let address = Ipv4Addr::LOCALHOST;
    let kill = |port| Kill {
        entry: Entry::host(address.into()),
        ports: vec![Port { protocol: Protocol::Tcp, number: port }],
        rdomain: 0,
    };
    assert_eq!(pf.kill(&Kill::nothing()).unwrap(), 0);
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut connection = TcpStream::connect((address, port)).unwrap();
    let _accepted = listener.accept().unwrap();
    connection.write_all(b"knock").unwrap();
    let before = states(port);
    assert!(before > 0, "pf keeps no state of a connection on lo0");
    let other = if port == u16::MAX { port - 1 } else { port + 1 };
    assert_eq!(pf.kill(&kill(other)).unwrap(), 0);
    assert_eq!(states(port), before);
    assert_eq!(pf.kill(&kill(port)).unwrap(), before as u64);
    assert_eq!(states(port), 0);
    assert_eq!(pf.kill(&kill(port)).unwrap(), 0);
}

/// Waits for a frame. By select(2), as that knows bpf's devices everywhere.
fn wait(frames: &Frames, deadline: Instant) {
    let mut fds = FdSet::new();
    frames.fds().for_each(|fd| fds.insert(fd));
    let left = deadline.saturating_duration_since(Instant::now());
    let mut left = TimeVal::milliseconds(i64::try_from(left.as_millis()).unwrap());
    select(None, &mut fds, None, None, &mut left).unwrap();
}

#[test]
fn capture_on_loopback_sees_what_its_filter_lets_through_and_nothing_else() {
    let Some(_) = open() else { return };
    let [wanted, other] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = |socket: &UdpSocket| socket.local_addr().unwrap();
    let interest = Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![to(&wanted).port()]),
        packets: Packets::Lengths(vec![16]),
    };
    let lo0 = Selection { selector: Selector::Name("lo0".into()), required: true };
    let (mut capture, _) = Capture::new(vec![lo0], vec![interest]).unwrap();
    assert_eq!(capture.names(), ["lo0"]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |bytes: &[u8], to: SocketAddr| sender.send_to(bytes, to).unwrap();
    send(b"another port.too", to(&other));
    send(b"another length", to(&wanted));
    send(b"this is the one!", to(&wanted));
    send(b"and the last one", to(&wanted));
    let mut frames = Frames::of(&capture).unwrap();
    let mut seen = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 2 && Instant::now() < deadline {
        wait(&frames, deadline);
        let failed = frames.read(64, |frame, _, _| {
            seen.push(String::from_utf8_lossy(&frame[frame.len() - 16..]).into_owned());
        });
        assert!(failed.is_empty(), "{failed:?}");
    }
    assert_eq!(seen, ["this is the one!", "and the last one"]);
    assert_eq!(capture.dropped(), 0);
}

/// The agent of a security key, at the socket KNOCKD_PF_AGENT, for five minutes or
/// until the socket is removed. Its line goes to the same path with `.pub`. The
/// counter rises until there is one with `.stuck`.
#[test]
#[ignore = "no test: tests/pf/topics/security_key.sh runs it"]
fn a_security_key_is_plugged_in() {
    let Some(socket) = std::env::var_os("KNOCKD_PF_AGENT").map(PathBuf::from) else { return };
    let key = SecurityKey::plug_in(&socket, "ssh:");
    fs::write(socket.with_extension("pub"), key.line()).unwrap();
    let (stuck, end) = (socket.with_extension("stuck"), Instant::now() + LIFE);
    while socket.exists() && Instant::now() < end {
        let signed = u32::try_from(key.asked().len()).unwrap();
        key.set(|mood| mood.counter = if stuck.exists() { 1 } else { signed + 1 });
        sleep(Duration::from_millis(50));
    }
}
