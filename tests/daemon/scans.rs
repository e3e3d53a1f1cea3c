//! Port scans of several kinds open nothing.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::net::frames::{Injector, TCP, UDP, packet, syn, udp};
use crate::net::*;

/// A good sequence, and one whose steps a scan sends in their order.
const SEQUENCES: &str = r#"
        "front": (steps: [Tcp(7000), Tcp(9000), Tcp(8000)], within: "60s", opens: ["web"]),
        "stairs": (steps: [Tcp(7001), Tcp(8001), Tcp(9001)], within: "60s", opens: ["ssh"],
            weak: Allowed),"#;

/// Starts a scan from an address of the client.
fn scan(lab: &Lab, from: &str, arguments: &[&str]) -> Child {
    let server = if from.contains(':') { &["-6", SERVER6][..] } else { &[SERVER4] };
    let mut nmap = lab.client.command("nmap");
    nmap.args(["-n", "-Pn", "-S", from, "-e", "eth0"]).args(arguments).args(server);
    nmap.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn assert_found_nothing(scan: Child) {
    let output = scan.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("filtered") && !text.contains(" open "), "{text}");
}

#[test]
fn scans_open_nothing_and_find_nothing() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan { sequences: SEQUENCES, ..Plan::default() }.furnish(&lab));
    let _services = [lab.listen(22), lab.listen(80)];
    let strangers = ["192.0.2.61", "192.0.2.62", "192.0.2.63"];
    for stranger in strangers {
        lab.client.add_address(stranger, "eth0");
    }
    // The ports up to beyond the last step, in rising order; and three times
    // the usual ones in the usual order, each from an address of its own. All
    // with retransmissions.
    let pace = ["-T4", "--min-rate", "2000", "--max-retries", "1"];
    let rising = [&["-r", "-p", "1-10000"][..], &pace].concat();
    let mut scans = vec![scan(&lab, CLIENT4, &rising), scan(&lab, CLIENT6, &rising)];
    scans.extend(strangers.map(|stranger| scan(&lab, stranger, &pace)));
    for scan in scans {
        assert_found_nothing(scan);
    }
    for set in ["knock_web_v4", "knock_web_v6", "knock_ssh_v4", "knock_ssh_v6"] {
        assert_eq!(lab.set(set), "", "{set}");
    }
    // A client that knows a sequence gets in, from the same address.
    assert!(lab.knock(&["-4", SERVER4, "7000", "9000", "8000"]).status.success());
    daemon.expect("door web opened for 192.0.2.100 by a sequence");
    assert!(lab.connects(SERVER4, 80));
    assert!(lab.knock(&["-6", SERVER6, "7001", "8001", "9001"]).status.success());
    daemon.expect("door ssh opened for 2001:db8::100 by a sequence");
    assert!(lab.connects(SERVER6, 22));
    let lines = daemon.stop();
    assert_eq!(lines.iter().filter(|line| line.contains(" opened ")).count(), 2, "{lines:#?}");
}

/// Sequences of other kinds of packets than initial SYNs. Each opens door ssh,
/// and each is what a scan of its kind would go through in two sweeps.
const ODD: &str = r#"
        "udp": (steps: [Udp(7000), Udp(9000), Udp(8000)], within: "60s", opens: ["ssh"]),
        "fin": (steps: [Tcp(7000), Tcp(9000), Tcp(8000)], within: "60s", opens: ["ssh"],
            flags: (set: [Fin])),
        "null": (steps: [Tcp(7100), Tcp(9100), Tcp(8100)], within: "60s", opens: ["ssh"],
            flags: (clear: [Fin, Syn, Rst, Psh, Ack, Urg])),
        "xmas": (steps: [Tcp(7200), Tcp(9200), Tcp(8200)], within: "60s", opens: ["ssh"],
            flags: (set: [Fin, Psh, Urg], clear: [Syn])),
        "list": (changing: OneTime("list"), within: "60s", opens: ["ssh"]),"#;
/// The flags of the scans of TCP ports.
const PROBES: [u8; 3] = [0x01, 0x00, 0x29];

/// One probe of each kind to each of these ports, as fast as the daemon reads.
fn sweep(wire: &Injector, source: IpAddr, server: IpAddr, ports: impl Iterator<Item = u16>) {
    for (count, port) in (1_u32..).zip(ports) {
        wire.send(&packet(source, server, UDP, &udp(port, b"")));
        for flags in PROBES {
            let mut segment = syn(port, count);
            segment[13] = flags;
            wire.send(&packet(source, server, TCP, &segment));
        }
        if count % 50 == 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn sweeps_with_datagrams_and_odd_flags_open_nothing_and_use_up_nothing() {
    needs!(root);
    let lab = Lab::new();
    let sequences = format!("{}{ODD}", furnish::MARK);
    let lines = " 7300:udp,9300:udp,8300:udp\n 7400:udp,9400:udp,8400:udp\n";
    let list = lab.write("list", lines);
    fs::set_permissions(&list, Permissions::from_mode(0o600)).unwrap();
    let config = Plan { sequences: &sequences, ..Plan::default() }.furnish(&lab);
    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    let wire = Injector::on(&lab.client);
    let (from, to) = (6_900, 9_500);
    // Two rising, two falling, all in an order without order, all twice.
    for (client, server) in [(CLIENT4, SERVER4), (CLIENT6, SERVER6)] {
        let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
        sweep(&wire, client, server, (from..to).chain(from..to));
        sweep(&wire, client, server, (from..to).rev().chain((from..to).rev()));
        // 1237 is prime, so each pass goes to every port once.
        let scattered =
            |pass: u32| (0..2_600).map(move |n| from + ((n + pass) * 1_237 % 2_600) as u16);
        sweep(&wire, client, server, (0..4).flat_map(|pass| scattered(7 * pass)));
        sweep(&wire, client, server, (from..to).flat_map(|port| [port; 2]));
    }
    lab.mark(&daemon);
    assert_eq!(daemon.count("door ssh opened"), 0);
    assert_eq!(daemon.count("the kernel dropped"), 0);
    assert_eq!(fs::read_to_string(&list).unwrap(), lines);
    // Whoever knows a sequence gets in, although a tunnel of the same address
    // goes on and it asks the server for names.
    for port in [7_300, 4_500, 53, 9_300, 4_500, 443, 8_300] {
        let (client, server) = (CLIENT4.parse().unwrap(), SERVER4.parse().unwrap());
        wire.send(&packet(client, server, UDP, &udp(port, b"data")));
    }
    daemon.expect("door ssh opened for 192.0.2.100 by a sequence");
    assert!(fs::read_to_string(&list).unwrap().starts_with('#'));
}
