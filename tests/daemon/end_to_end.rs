//! The real programs on two hosts, with a real packet filter and a real
//! service between them: doors open for who knocks, and close on time.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::net::*;
use knockd::core::door::Table;
use knockd::firewall::Firewall;
use knockd::firewall::nft::Nft;

#[test]
fn a_sequence_opens_the_door_for_its_time_and_no_longer() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
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
        assert!(line.contains(&format!("for {client} after 2")), "{line}");
        assert!(line.ends_with(", expired"), "{line}");
        assert!(!lab.connects(server, 80));
    }
}

#[test]
fn a_token_opens_the_door_for_its_time_and_no_longer() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    let _service = lab.listen(22);
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
fn knocking_again_moves_the_end_of_the_lease() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    let (opened, _) = daemon.expect("door ssh opened");
    // The two ends of the lease must lie apart.
    std::thread::sleep(Duration::from_secs(1));
    let before = Instant::now();
    lab.send(CLIENT4, &lab.token("alice", CLIENT4));
    let (extended, _) = daemon.expect("door ssh extended for 192.0.2.100 by alice, 2s");
    assert!(extended < opened + Duration::from_secs(2), "too slow to say anything");
    assert_closes_on_time(&lab, "knock_ssh", before, extended);
}

#[test]
fn fifty_clients_that_knock_at_once_all_get_in_while_a_stranger_scans() {
    needs!(root);
    let lab = Lab::new();
    let sequences =
        r#""front": (steps: [Tcp(7000), Udp(9000), Tcp(8000)], within: "60s", opens: ["web"])"#;
    let config = Plan { span: "60s", sequences, ..Plan::default() }.furnish(&lab);
    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    let _service = lab.listen(80);
    let clients: Vec<_> = (0..50).map(|number| format!("192.0.2.{}", 101 + number)).collect();
    for client in &clients {
        lab.client.add_address(client, "eth0");
    }
    let mut scan = lab.client.command("nmap");
    scan.args(["-n", "-Pn", "-r", "-p-", "-T4", "--min-rate", "2000", SERVER4]);
    let mut scan = scan.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    daemon.expect("packet from 192.0.2.100 ignored");
    for seed in 1..=rounds() {
        lab.client.enter(|| knock_interleaved(&clients, seed));
        for _ in &clients {
            daemon.expect("door web ");
        }
        let inside = lab.set("knock_web_v4");
        let inside: BTreeSet<_> = inside.split(',').collect();
        assert_eq!(inside, clients.iter().map(String::as_str).collect(), "seed {seed}");
    }
    assert!(scan.try_wait().unwrap().is_none(), "the scan ended too soon to say anything");
    scan.kill().unwrap();
    scan.wait().unwrap();
    for client in &clients {
        assert!(lab.connects_from(client, SERVER4, 80), "{client}");
    }
    assert!(!lab.connects(SERVER4, 80), "who scanned gets nothing");
}

/// Each client sends its three knocks in order, all clients in an order of
/// their own that follows from `seed`.
fn knock_interleaved(clients: &[String], seed: u64) {
    let server: IpAddr = SERVER4.parse().unwrap();
    let mut under_way: Vec<_> = clients.iter().map(|client| (client, 0)).collect();
    // Open until all is sent: a closed one would send nothing more.
    let mut dialled = Vec::new();
    let mut random = seed;
    while !under_way.is_empty() {
        // Knuth's generator (The Art of Computer Programming, 3.3.4).
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = usize::try_from(random >> 33).unwrap() % under_way.len();
        let (client, step) = &mut under_way[place];
        let from: IpAddr = client.parse().unwrap();
        match step {
            0 => dialled.push(dial(from, SocketAddr::new(server, 7000))),
            1 => {
                let socket = UdpSocket::bind((from, 0)).unwrap();
                socket.send_to(b"", (server, 9000)).unwrap();
            }
            _ => dialled.push(dial(from, SocketAddr::new(server, 8000))),
        }
        *step += 1;
        if *step == 3 {
            under_way.swap_remove(place);
        }
    }
}
