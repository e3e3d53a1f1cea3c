//! The daemon neither listens nor sends, and keeps its keys to itself.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::process::{Child, Stdio};

use crate::net::furnish::{ahead, named};
use crate::net::tcpdump::Tcpdump;
use crate::net::*;

/// What the server may not send. The kernel asks for neighbours and joins
/// groups on its own.
const SENT: &str = "tcp or udp or icmp or (icmp6 and ip6[40] < 128)";

/// Starts a quick scan of this kind.
fn scan(lab: &Lab, kind: &[&str], target: &[&str]) -> Child {
    let mut nmap = lab.client.command("nmap");
    nmap.args(["-n", "-Pn", "-T5", "--min-rate", "1000", "--max-retries", "0"]);
    nmap.args(kind).args(target).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn nothing_leaves_the_server_while_it_is_scanned_and_knocked_at() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    // Short pieces of packets, so that all the scans fit into its buffer.
    let mut tcpdump = Tcpdump::start(&lab.server, &["-l", "-s", "128", "-Q", "out", SENT]);
    let targets = [&[SERVER4][..], &["-6", SERVER6]];
    let kinds = [&["-sS"][..], &["-sU", "-p", "7000-9000,40123"]];
    let scans = targets.iter().flat_map(|target| kinds.map(|kind| scan(&lab, kind, target)));
    // All are started before the first is waited for.
    for scan in scans.collect::<Vec<_>>() {
        let output = scan.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains("/tcp open "), "{text}");
    }
    for (server, client, bob) in [(SERVER4, CLIENT4, "bob4"), (SERVER6, CLIENT6, "bob6")] {
        assert!(lab.knock(&[server, "7000", "9000:udp", "8000"]).status.success());
        daemon.expect(&format!("door web opened for {client}"));
        assert!(lab.knock(&[bob, "ssh"]).status.success());
        daemon.expect(&format!("door ssh opened for {client}"));
        daemon.expect("door ssh closed");
        // One that is wrong, and one that is sent twice.
        let alice = |door| furnish::token(&lab.access("alice"), door, named(client), ahead());
        lab.send(client, &alice("web"));
        daemon.expect(&format!("alice from {client} refused, forbidden"));
        let token = alice("ssh");
        lab.send(client, &token);
        daemon.expect(&format!("door ssh opened for {client} by alice"));
        lab.send(client, &token);
        daemon.expect("door ssh closed");
    }
    let lines = daemon.stop();
    let replays = lines.iter().filter(|line| line.ends_with("refused, replayed")).count();
    assert_eq!(replays, 2, "{lines:#?}");
    // The first thing that is seen to leave is what the test itself sends.
    lab.server.enter(|| {
        let socket = UdpSocket::bind((SERVER4, 4444)).unwrap();
        socket.send_to(b"", (CLIENT4, 9)).unwrap();
    });
    let line = tcpdump.line();
    assert!(line.contains("192.0.2.1.4444 > 192.0.2.100.9: UDP"), "the server sent {line}");
    assert_eq!(tcpdump.stop(), "", "the server sent packets");
}

/// The inode numbers in one column of a table in /proc/PID/net.
fn sockets(daemon: &Daemon, table: &str, column: usize) -> BTreeSet<String> {
    let text = String::from_utf8(daemon.proc(&format!("net/{table}"))).unwrap();
    let lines = text.lines().skip(1);
    lines.map(|line| line.split_ascii_whitespace().nth(column).unwrap().to_owned()).collect()
}

#[test]
fn the_daemon_holds_no_socket_that_anybody_could_reach() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp"] {
        assert_eq!(sockets(&daemon, table, 9), BTreeSet::new(), "{table}");
    }
    let (packet, netlink) = (sockets(&daemon, "packet", 8), sockets(&daemon, "netlink", 9));
    // The ends of the pairs through which signals come and processes speak have
    // no name; that of administrators has one, in a directory that is root's.
    let text = String::from_utf8(daemon.proc("net/unix")).unwrap();
    let nameless = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(6);
        let is_ours = |path: &str| path.ends_with("/knockd.sock");
        words.next().filter(|_| words.next().is_none_or(is_ours))
    });
    let pair: BTreeSet<_> = nameless.map(str::to_owned).collect();
    let mut kinds = (0, 0, 0);
    let family = daemon.family();
    assert_eq!(family.len(), 3);
    let entries =
        family.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap());
    for entry in entries {
        let file = fs::read_link(entry.unwrap().path()).unwrap();
        let file = file.to_str().unwrap();
        let Some(inode) = file.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'))
        else {
            continue;
        };
        kinds.0 += usize::from(packet.contains(inode));
        kinds.1 += usize::from(netlink.contains(inode));
        kinds.2 += usize::from(pair.contains(inode));
        assert!(
            packet.contains(inode) || netlink.contains(inode) || pair.contains(inode),
            "{inode} is of another kind"
        );
    }
    assert!(kinds.0 > 0 && kinds.1 > 0 && kinds.2 > 0, "{kinds:?}");
}

/// A key in the forms in which it might slip out.
fn forms(lab: &Lab, name: &str) -> Vec<Vec<u8>> {
    let file = knockd::keyfile::read(&lab.path(name)).unwrap();
    let text = fs::read_to_string(lab.path(name)).unwrap();
    let base64 = text.split_ascii_whitespace().nth(1).unwrap().as_bytes().to_vec();
    let hex: String = file.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<_> = file.key.iter().take(8).map(ToString::to_string).collect();
    vec![
        file.key[..8].to_vec(),
        base64[..16].to_vec(),
        hex.as_bytes()[..16].to_vec(),
        hex.to_uppercase().into_bytes()[..16].to_vec(),
        list.join(", ").into_bytes(),
    ]
}

#[test]
fn no_key_stands_anywhere_but_in_its_file_and_the_daemon() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan { sequences: furnish::MARK, ..Plan::default() }.furnish(&lab);
    let mut check = lab.server.command(KNOCKD);
    let output = check.args(["-n", "-v", "-f"]).arg(&config).output().unwrap();
    assert!(output.status.success());
    let mut said = [output.stdout, output.stderr].concat();

    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    for user in ["alice", "bob", "carol", "dave"] {
        for token in [lab.token(user, CLIENT4), lab.token(user, "192.0.2.9")] {
            lab.send(CLIENT4, &token);
            lab.send(CLIENT4, &token);
            let mut changed = token;
            changed[20] ^= 1;
            lab.send(CLIENT4, &changed);
        }
    }
    lab.mark(&daemon);
    assert_eq!(proc::limits(daemon.pid(), "Max core file size"), ["0", "0"]);
    said.extend(daemon.proc("cmdline"));
    said.extend(daemon.proc("environ"));
    let lines = daemon.stop();
    assert!(lines.iter().any(|line| line.contains("refused, replayed")), "{lines:#?}");
    said.extend(lines.join("\n").into_bytes());
    for name in ["gate", "alice", "bob", "carol", "dave"] {
        for form in forms(&lab, &format!("{name}.key")) {
            let found = said.windows(form.len()).any(|window| window == form);
            assert!(!found, "{name}.key leaked");
        }
    }
}
