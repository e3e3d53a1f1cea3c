//! Port scans of several kinds open nothing.

use std::process::{Child, Stdio};

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
