//! The real clients on one host, the daemon behind a packet filter on
//! another: doors open for them, once, and close on time.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::clients::{PSK, pyknock_client};
use crate::modes;
use crate::net::furnish::edit;
use crate::net::{CLIENT4, CLIENT6, Daemon, Lab, SERVER4, SERVER6, until};

/// As short as clocks in whole seconds allow.
const SKEW: u64 = 2;
const FWKNOP_PORT: u16 = 62_201;
const PYKNOCK_PORT: u16 = 60_120;
/// Users of fwknop, as the configuration and as the client call their HMAC.
const USERS: [(&str, &str, &str); 4] = [
    ("fay", "Sha256", "sha256"),
    ("fred", "Sha512", "sha512"),
    ("flo", "Sha3_256", "sha3_256"),
    ("finn", "Sha3_512", "sha3_512"),
];

/// A lab whose daemon has users of older clients, and believes them.
fn start(lab: &Lab) -> Daemon {
    let mut users = String::new();
    for (name, hmac, _) in USERS {
        let path = lab.path(name);
        let made = Command::new("fwknop")
            .env("HOME", lab.files.path())
            .args(["--key-gen", "--use-hmac", "--key-gen-file"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        modes::write_secret(&path, fs::read_to_string(&path).unwrap());
        let source = if name == "flo" { "Observed" } else { "Bound" };
        users += &format!(
            r#"
        "{name}": (credential: Fwknop(keys: "{name}", hmac: {hmac}), doors: ["ssh"], source: {source}),"#
        );
    }
    modes::write_secret(lab.path("pat"), PSK);
    let directory = lab.files.path().display();
    let config = lab.write(
        "knockd.ron",
        &format!(
            r#"(
    name: "gw1.example.org",
    interfaces: ["eth0"],
    firewall: Nft(table: "filter"),
    legacy: (max_skew: "{SKEW}s"),
    doors: {{
        "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "2s"),
        "web": (table: "knock_web", ports: [Tcp(80)], open_for: "2s"),
    }},
    sequences: {{
        "front": (steps: [Tcp(7000), Udp(9000), Tcp(8000)], opens: ["web"]),
        "back": (steps: [Udp(7000), Udp(9500), Udp(8000)], opens: ["web"]),
    }},
    users: {{{users}
        "pat": (credential: Pyknock("pat"), doors: ["web"]),
    }},
    user: "nobody",
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
)"#
        ),
    );
    lab.empty_journal();
    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    daemon
}

/// Runs Debian's fwknop on the client's host. What it sends is in the file
/// `sent` then.
fn fwknop(lab: &Lab, user: (&str, &str, &str), options: &[&str]) {
    let (name, _, hmac) = user;
    let keys = fs::read_to_string(lab.path(name)).unwrap();
    let key = |word: &str| {
        let line = keys.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        line.trim().to_owned()
    };
    let sent = lab.path("sent");
    let _ = fs::remove_file(&sent);
    let mut command = lab.client.command("fwknop");
    command.env("HOME", lab.files.path()).args(options);
    command.args(["-D", SERVER4, "--use-hmac", "--hmac-digest-type", hmac]);
    command.args(["--key-base64-rijndael", &key("KEY_BASE64:")]);
    command.args(["--key-base64-hmac", &key("HMAC_KEY_BASE64:")]);
    let output = command.arg("--save-packet").arg(sent).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Sends a datagram as it is.
fn send(lab: &Lab, from: &str, port: u16, datagram: &[u8]) {
    let from: IpAddr = from.parse().unwrap();
    let server = if from.is_ipv4() { SERVER4 } else { SERVER6 };
    lab.client.enter(|| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.send_to(datagram, (server, port)).unwrap();
    });
}

fn last_sent(lab: &Lab) -> Vec<u8> {
    fs::read_to_string(lab.path("sent")).unwrap().trim_end().into()
}

/// The set is empty at the right time after `opened`.
fn assert_closes(lab: &Lab, set: &str, opened: Instant, span: Duration) {
    let gone = until("an empty set", || lab.set(set).is_empty());
    assert!(gone >= opened + span - Duration::from_millis(500), "closed early");
    // Looking costs a process.
    assert!(gone <= opened + span + Duration::from_secs(2), "closed late");
}

#[test]
fn fwknop_opens_a_door_with_every_hmac_and_the_door_closes_on_time() {
    needs!(root, tool("fwknop"), tool("pyknock-client"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let _service = lab.listen(22);
    for user in USERS {
        assert!(!lab.connects(SERVER4, 22));
        fwknop(&lab, user, &["-A", "tcp/22", "-a", CLIENT4]);
        let (opened, line) = daemon.expect("door ssh opened");
        assert!(line.ends_with(&format!("for {CLIENT4} by {}, 2s", user.0)), "{line}");
        assert!(lab.connects(SERVER4, 22));
        assert_closes(&lab, "knock_ssh_v4", opened, Duration::from_secs(2));
        daemon.expect("door ssh closed");
    }
    // The address that the server sees, for a second.
    fwknop(&lab, USERS[2], &["-A", "tcp/22", "-s", "--fw-timeout", "1"]);
    let (opened, line) = daemon.expect("door ssh opened");
    assert!(line.ends_with(&format!("for {CLIENT4} by flo, 1s")), "{line}");
    assert_closes(&lab, "knock_ssh_v4", opened, Duration::from_secs(1));
}

#[test]
fn fwknop_opens_nothing_twice_nor_late_nor_for_others_nor_what_it_may_not() {
    needs!(root, tool("fwknop"), tool("pyknock-client"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let fay = USERS[0];
    // Refusals are summed up by source, so each has one of its own.
    let made_for = |number: usize, options: &[&str]| {
        let source = format!("192.0.2.{}", 150 + number);
        lab.client.add_address(&source, "eth0");
        let options: Vec<_> =
            options.iter().map(|word| if *word == "HERE" { &source } else { *word }).collect();
        fwknop(&lab, fay, &[&options[..], &["--test"]].concat());
        (source.clone(), last_sent(&lab))
    };
    let early_bird = made_for(0, &["-A", "tcp/22", "-a", "HERE"]);
    fwknop(&lab, fay, &["-A", "tcp/22", "-a", CLIENT4]);
    daemon.expect("door ssh opened");
    let used = last_sent(&lab);
    send(&lab, CLIENT4, FWKNOP_PORT, &used);
    daemon.expect("token in the name of fay from 192.0.2.100 refused, replayed");

    let mut changed = used.clone();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    let spelled = [b"U2FsdGVkX1", &used[..]].concat();
    for strange in [changed, spelled, [&used[..], b"="].concat()] {
        send(&lab, CLIENT4, FWKNOP_PORT, &strange);
    }
    daemon.expect("packet from 192.0.2.100 ignored, stranger");

    for (number, options, reason) in [
        (1, &["-A", "tcp/80", "-a", "HERE"][..], "forbidden"),
        (2, &["-A", "tcp/22,tcp/80", "-a", "HERE"], "forbidden"),
        (3, &["-A", "tcp/22", "-a", "198.51.100.9"], "address"),
        (4, &["-A", "tcp/22", "-s"], "unnamed"),
        (5, &["-A", "tcp/22", "-a", "HERE", "-N", "10.0.0.5:22"], "unsupported"),
        (6, &["-a", "HERE", "-C", "id"], "unsupported"),
    ] {
        let (source, packet) = made_for(number, options);
        send(&lab, &source, FWKNOP_PORT, &packet);
        daemon.expect(&format!("in the name of fay from {source} refused, {reason}"));
    }

    // The clients' packets hold the time of the machine's clock: only waiting
    // makes one stale.
    std::thread::sleep(Duration::from_secs(SKEW + 1));
    send(&lab, &early_bird.0, FWKNOP_PORT, &early_bird.1);
    daemon.expect(&format!("in the name of fay from {} refused, stale", early_bird.0));
    assert_eq!(daemon.count("door ssh opened"), 1);
    assert_eq!(lab.set("knock_ssh_v4"), "");
}

#[test]
fn pyknock_opens_a_door_once_over_both_families() {
    needs!(root, tool("fwknop"), tool("pyknock-client"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let _service = lab.listen(80);
    let (python, script, library) = pyknock_client();
    let knock = |command: &str, server: &str, psk: &str, options: &[&str]| {
        let mut client = lab.client.command(&python);
        client.env("PYTHONPATH", &library).args(&script).args(options);
        let output = client.args([command, server, psk]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for (server, client, set) in
        [(SERVER4, CLIENT4, "knock_web_v4"), (SERVER6, CLIENT6, "knock_web_v6")]
    {
        assert!(!lab.connects(server, 80));
        knock("open", server, PSK, &[]);
        let (opened, line) = daemon.expect("door web opened");
        assert!(line.ends_with(&format!("for {client} by pat, 2s")), "{line}");
        assert!(lab.connects(server, 80));
        assert_closes(&lab, set, opened, Duration::from_secs(2));
    }
    // Refusals are summed up by source, so each has one of its own.
    for (source, command, psk, signed, expected) in [
        ("192.0.2.151", "close", PSK, None, "refused, unsupported"),
        ("192.0.2.152", "open", PSK, Some("198.51.100.9"), "refused, address"),
        ("192.0.2.153", "open", "not the right horse", None, "ignored, stranger"),
    ] {
        lab.client.add_address(source, "eth0");
        let mut options = vec!["-s", source];
        options.extend(signed.into_iter().flat_map(|signed| ["-S", signed]));
        knock(command, SERVER4, psk, &options);
        daemon.expect(&format!("from {source} {expected}"));
    }

    let recorded = super::clients::pyknock("open", PSK, &["-S", CLIENT4]);
    send(&lab, CLIENT4, PYKNOCK_PORT, &recorded);
    daemon.expect("door web opened");
    send(&lab, CLIENT4, PYKNOCK_PORT, &recorded);
    daemon.expect("token in the name of pat from 192.0.2.100 refused, replayed");
    assert_eq!(daemon.count("door web opened"), 3);
}

#[test]
fn a_packet_that_names_no_door_opens_nothing_again_under_doors_of_other_names() {
    needs!(root, tool("fwknop"), tool("pyknock-client"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let recorded = super::clients::pyknock("open", PSK, &["-S", CLIENT4]);
    send(&lab, CLIENT4, PYKNOCK_PORT, &recorded);
    daemon.expect("door web opened");

    let config = lab.path("knockd.ron");
    edit(&config, "\"web\"", "\"site\"");
    daemon.signal(Signal::SIGHUP);
    daemon.expect("configuration reloaded, ");
    send(&lab, CLIENT4, PYKNOCK_PORT, &recorded);
    daemon.expect("token in the name of pat from 192.0.2.100 refused, replayed");
    assert_eq!(daemon.count("door site opened"), 0);
}

#[test]
fn one_byte_and_empty_and_huge_and_random_datagrams_are_ignored() {
    needs!(root, tool("fwknop"), tool("pyknock-client"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let mut random = vec![0; 1472];
    for (place, byte) in random.iter_mut().enumerate() {
        *byte = (place * place % 251) as u8;
    }
    for port in [FWKNOP_PORT, PYKNOCK_PORT] {
        for length in [0, 1, 49, 61, 139, 140, 205, 866, 867, 1472] {
            send(&lab, CLIENT4, port, &random[..length]);
        }
        // In fragments.
        send(&lab, CLIENT4, port, &vec![b'A'; 40_000]);
    }
    fwknop(&lab, USERS[0], &["-A", "tcp/22", "-a", CLIENT4]);
    daemon.expect("door ssh opened");
    assert_eq!(daemon.count("opened"), 1);
    // What the filter in the kernel let through: three as long as those of
    // fwknop, two as long as those of pyknock.
    until("five strangers", || {
        let mut stats = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
        stats.args(["show", "stats", "-s"]).arg(lab.path("run/knockd.sock"));
        let shown = String::from_utf8(stats.output().unwrap().stdout).unwrap();
        shown.lines().any(|line| line == "refused.stranger 5")
    });
}

#[test]
fn debians_knock_opens_the_door_of_a_sequence() {
    const KNOCK: &str = "/usr/bin/knock";
    needs!(root, tool("knock"));
    let lab = Lab::new();
    let daemon = start(&lab);
    let _service = lab.listen(80);
    for (family, server, client) in [("-4", SERVER4, CLIENT4), ("-6", SERVER6, CLIENT6)] {
        for (options, steps) in [
            (&["-d", "50"][..], ["7000", "9000:udp", "8000:tcp"]),
            (&["-u", "-d", "5"], ["7000", "9500", "8000"]),
            (&[], ["7000", "9000:udp", "8000"]),
        ] {
            let mut command = lab.client.command(KNOCK);
            let output = command.arg(family).args(options).arg(server).args(steps).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let (_, line) = daemon.expect("door web ");
            assert!(line.contains(&format!("for {client} by a sequence, 2s")), "{line}");
            assert!(lab.connects(server, 80));
            daemon.expect("door web closed");
            assert!(!lab.connects(server, 80));
        }
        let mut command = lab.client.command(KNOCK);
        let wrong = command.args([family, server, "7000", "8000", "9000:udp"]).output();
        assert!(wrong.unwrap().status.success());
    }
    assert_eq!(daemon.count("door web opened"), 6);
}
