//! The real programs on two hosts, with a real packet filter and a real
//! service between them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests may")]

mod net;

use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use knockd::core::door::Table;
use knockd::firewall::Firewall;
use knockd::firewall::nft::Nft;
use net::*;

/// Skew of the tests' servers: their first second is without tokens.
const SKEW: Duration = Duration::from_secs(1);

/// A server with both kinds of users, a sequence, and a client that has both
/// keys.
fn furnish(lab: &Lab) -> std::path::PathBuf {
    lab.keygen("gate.key", &["--gate"]);
    lab.keygen("bob.key", &["--secret"]);
    let told = lab.keygen("alice.key", &[]);
    let public = told.split_once("Ed25519(\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let host = |name, address, key| {
        format!(
            "{name:?}: (address: {address:?}, name: \"gw1.example.org\", port: {SPA_PORT}, gate_key: \"../gate.key\", key: {key:?}),\n"
        )
    };
    let hosts = [
        host("alice4", SERVER4, "../alice.key"),
        host("alice6", SERVER6, "../alice.key"),
        host("bob4", SERVER4, "../bob.key"),
        host("bob6", SERVER6, "../bob.key"),
    ];
    lab.write("knock/hosts.ron", &format!("{{{}}}", hosts.concat()));
    let directory = lab.files.path().display();
    lab.write(
        "knockd.ron",
        &format!(
            r#"(
    name: "gw1.example.org",
    interfaces: ["eth0"],
    spa: (port: {SPA_PORT}, gate_keys: ["gate.key"], max_skew: "1s"),
    firewall: Nft(table: "filter"),
    doors: {{
        "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "2s"),
        "web": (table: "knock_web", ports: [Tcp(80)], open_for: "2s"),
    }},
    sequences: {{
        "front": (steps: [Tcp(7000), Udp(9000), Tcp(8000)], within: "5s", opens: ["web"]),
    }},
    users: {{
        "alice": (credential: Ed25519("{public}"), doors: ["ssh"]),
        "bob": (credential: Secret("bob.key"), doors: ["ssh"]),
    }},
    directories: (secrets: "{directory}"),
)"#
        ),
    )
}

/// Waits until the daemon can tell new tokens from old.
fn pass_barrier(started: SystemTime) {
    let end = started + SKEW + Duration::from_millis(20);
    if let Ok(left) = end.duration_since(SystemTime::now()) {
        std::thread::sleep(left);
    }
}

#[test]
fn a_sequence_opens_the_door_for_its_time_and_no_longer() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let daemon = lab.daemon(&furnish(&lab));
    let _service = lab.listen(80);
    for (server, client) in [(SERVER4, CLIENT4), (SERVER6, CLIENT6)] {
        assert!(!lab.connects(server, 80));
        let before = Instant::now();
        assert!(lab.knock(&[server, "7000", "9000:udp", "8000"]).status.success());
        let (opened, line) = daemon.expect("door web opened");
        assert!(line.ends_with(&format!("for {client} by a sequence, 2s")), "{line}");
        assert!(lab.connects(server, 80));
        assert_closes_on_time(&lab, "knock_web", before, opened);
        let (_, line) = daemon.expect("door web closed");
        assert!(line.ends_with(&format!("for {client} after 2s, expired")), "{line}");
        assert!(!lab.connects(server, 80));
    }
}

#[test]
fn a_token_opens_the_door_for_its_time_and_no_longer() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let started = SystemTime::now();
    let daemon = lab.daemon(&furnish(&lab));
    let _service = lab.listen(22);
    pass_barrier(started + Duration::from_millis(200));
    for (host, server, client, user) in [
        ("alice4", SERVER4, CLIENT4, "alice"),
        ("alice6", SERVER6, CLIENT6, "alice"),
        ("bob4", SERVER4, CLIENT4, "bob"),
        ("bob6", SERVER6, CLIENT6, "bob"),
    ] {
        assert!(!lab.connects(server, 22));
        let before = Instant::now();
        let sent = lab.knock(&[host, "ssh"]);
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        let (opened, line) = daemon.expect("door ssh opened");
        assert!(line.ends_with(&format!("for {client} by {user}, 2s")), "{line}");
        assert!(lab.connects(server, 22));
        assert_closes_on_time(&lab, "knock_ssh", before, opened);
        daemon.expect("door ssh closed");
        assert!(!lab.connects(server, 22));
    }
}

/// The lease began between `before` and `opened` and lasts 2 s: its entry
/// stands until then at least, and is gone 100 ms later at most.
fn assert_closes_on_time(lab: &Lab, table: &str, before: Instant, opened: Instant) {
    let table = Table { anchor: None, name: table.into() };
    let gone = lab.server.enter(|| {
        let mut nft = Nft::open("filter").unwrap();
        until("an empty table", || nft.list(&table).unwrap().is_empty())
    });
    let span = Duration::from_secs(2);
    assert!(gone >= before + span, "closed early");
    let late = gone.saturating_duration_since(opened + span);
    assert!(late <= Duration::from_millis(100), "closed {late:?} late");
}

#[test]
fn nothing_leaves_the_server_while_it_is_scanned_and_knocked_at() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let config = furnish(&lab);
    let started = SystemTime::now();
    let daemon = lab.daemon(&config);
    // The client never learns whether the server has this address.
    let mut tcpdump = lab.server.command("tcpdump");
    tcpdump.args([
        "-n",
        "-l",
        "-Q",
        "out",
        "-i",
        "eth0",
        "tcp or udp or icmp or (icmp6 and ip6[40] < 128)",
    ]);
    let mut tcpdump = tcpdump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = std::io::BufReader::new(tcpdump.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut told, &mut line).unwrap(), 0);
    }
    for scan in [&["-sS"][..], &["-sU", "-p", "7000-9000"]] {
        let mut nmap = lab.client.command("nmap");
        nmap.args(["-n", "-Pn", "--max-retries", "0", "-T5"]).args(scan).arg(SERVER4);
        let output = nmap.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !text.contains("/tcp open "), "{text}");
    }
    pass_barrier(started + Duration::from_millis(200));
    assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8000"]).status.success());
    daemon.expect("door web opened");
    assert!(lab.knock(&["alice4", "ssh"]).status.success());
    daemon.expect("door ssh opened");
    daemon.expect("door ssh closed");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(tcpdump.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    let output = tcpdump.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "the server sent packets");
}

#[test]
fn what_was_seen_on_the_wire_opens_nothing_again() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let started = SystemTime::now();
    let daemon = lab.daemon(&furnish(&lab));
    lab.client.add_address("192.0.2.66");
    pass_barrier(started + Duration::from_millis(200));
    let wire = Wire::tap(&lab);
    assert!(lab.knock(&["bob4", "ssh"]).status.success());
    daemon.expect("door ssh opened for 192.0.2.100");
    let token = wire.first();
    let send = |from: &str, datagram: &[u8]| {
        lab.client.enter(|| {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            socket.send_to(datagram, (SERVER4, SPA_PORT)).unwrap();
        });
    };
    send(CLIENT4, &token);
    daemon.expect("in the name of bob from 192.0.2.100 refused, replayed");
    send("192.0.2.66", &token);
    daemon.expect("in the name of bob from 192.0.2.66 refused, replayed");
    daemon.expect("door ssh closed");
    send(CLIENT4, &token);
    let rest = daemon.stop();
    assert!(!rest.iter().any(|line| line.contains("opened")), "{rest:#?}");
}

/// Reads tokens on their way to the server.
struct Wire(knockd::capture::Capture);

impl Wire {
    fn tap(lab: &Lab) -> Self {
        use knockd::capture::{Capture, Wanted, interfaces::Selector};
        use knockd::core::{interest::*, sighting::Protocol};
        let wanted = Wanted { selector: Selector::Name("eth0".into()), required: true };
        let interest = Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![SPA_PORT]),
            packets: Packets::All,
        };
        lab.server.enter(|| {
            let (capture, _) = Capture::new(vec![wanted], vec![interest]).unwrap();
            Self(capture)
        })
    }

    fn first(mut self) -> Vec<u8> {
        use knockd::core::sighting::Segment;
        let mut token = None;
        until("a token on the wire", || {
            self.0.read(1, |frame, link, interface| {
                let sighting = knockd::capture::frame::sight(link, frame, interface);
                if let Segment::Udp { payload, .. } = sighting.unwrap().segment {
                    token = Some(payload.to_vec());
                }
            });
            token.is_some()
        });
        token.unwrap()
    }
}
