//! The keys that people have: real ssh-keygen, ssh-agent, ssh-add, ssh and
//! sshd, and the real programs of ours.

mod agents;
mod lab;
mod options;
mod security_keys;

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use crate::net::*;
use lab::{Agent, SshLab, client, said, terminal};

/// A lab with the user laptop, whose key also opens sshd.
fn laptop() -> SshLab {
    let mut lab = SshLab::new();
    let line = lab.ssh_keygen("laptop", "");
    lab.lab.write("keys.pub", &format!("{line}\n"));
    lab.user("laptop", &format!("AuthorizedKey({line:?})"), "laptop", "");
    lab
}

#[test]
fn ssh_reaches_sshd_through_proxycommand_with_no_step_before() {
    needs!(root);
    let lab = laptop();
    let daemon = lab.daemon();
    let _sshd = lab.sshd(&lab.lab.server, 22);
    for host in ["laptop4", "laptop6"] {
        let proxy = "ProxyCommand=knock --proxy %n ssh";
        let mut ssh = lab.ssh(&lab.lab.client, &["-o", proxy, host, "echo in; cat"]);
        let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // More than any buffer on the way holds, there and back.
        let mut input = ssh.stdin.take().unwrap();
        let sent = std::thread::spawn(move || input.write_all(&vec![b'x'; 1 << 20]));
        let mut text = String::new();
        ssh.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        sent.join().unwrap().unwrap();
        assert!(ssh.wait().unwrap().success());
        assert_eq!((text.len(), &text[..4]), (3 + (1 << 20), "in\nx"));
        daemon.expect(&format!("door ssh opened for {} by laptop", client(host)));
    }
}

#[test]
fn ssh_reaches_sshd_by_match_exec() {
    needs!(root);
    let lab = laptop();
    let daemon = lab.daemon();
    let _sshd = lab.sshd(&lab.lab.server, 22);
    for host in ["laptop4", "laptop6"] {
        let mut ssh = lab.ssh(&lab.lab.client, &[host, "echo in"]);
        let config = lab.path("ssh_config");
        let text = std::fs::read_to_string(&config).unwrap();
        let with = format!("Match originalhost {host} exec \"knock --wait %n ssh\"\n{text}");
        std::fs::write(&config, with).unwrap();
        let output = ssh.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "in\n", "{}", said(&output));
        daemon.expect(&format!("door ssh opened for {} by laptop", client(host)));
    }
}

#[test]
fn a_door_that_does_not_answer_is_reported_by_the_exit_code() {
    needs!(root);
    let mut lab = laptop();
    let stranger = lab.ssh_keygen("stranger", "");
    assert!(stranger.starts_with("ssh-ed25519 "));
    lab.host("stranger4", SERVER4, "stranger", "");
    let daemon = lab.daemon();
    let waited = lab.knock(&[], &["--wait", "--timeout", "1s", "stranger4", "ssh"]);
    assert_eq!(waited.status.code(), Some(1));
    let why = said(&waited);
    assert!(why.contains("door ssh of stranger4 did not answer within 1 s"), "{why}");
    daemon.expect("ignored, unknown");
}

#[test]
fn a_key_with_a_passphrase_signs_from_the_agent_or_asks_on_the_terminal() {
    needs!(root);
    let mut lab = SshLab::new();
    let line = lab.ssh_keygen("locked", "open sesame");
    lab.user("locked", &format!("AuthorizedKey({line:?})"), "locked", "");
    lab.host("public4", SERVER4, "locked.pub", "");
    let daemon = lab.daemon();

    let refused = lab.knock(&[], &["public4", "ssh"]);
    assert!(said(&refused).contains("no ssh-agent has the key of"), "{}", said(&refused));

    let agent = Agent::start(&lab);
    let environment = [("SSH_AUTH_SOCK", agent.socket())];
    let refused = lab.knock(&environment, &["public4", "ssh"]);
    assert!(said(&refused).contains("no ssh-agent has the key of"), "{}", said(&refused));
    agent.add(&[lab.path("locked").to_str().unwrap()], "open sesame", &lab);
    for host in ["public4", "locked4", "locked6"] {
        let sent = lab.knock(&environment, &[host, "ssh"]);
        assert!(sent.status.success(), "{}", said(&sent));
        daemon.expect("for ");
    }
    agent.add(&["-D"], "", &lab);
    let refused = lab.knock(&environment, &["public4", "ssh"]);
    assert!(!refused.status.success(), "what the agent has forgotten signs no more");
    let gone = agent.socket().to_owned();
    drop(agent);

    // One that is gone is reported, and does not keep the passphrase from serving.
    let (master, slave) = terminal();
    let mut typing = lab.lab.client.command("setsid");
    typing.args(["-c", "-w", KNOCK, "-v", "locked4", "ssh"]).env("SSH_AUTH_SOCK", gone);
    typing.env("XDG_CONFIG_HOME", lab.lab.files.path());
    let mut typing = typing.stdin(slave).stdout(Stdio::piped()).spawn().unwrap();
    let mut screen = File::from(master);
    let seen = read_until(&mut screen, "passphrase of ");
    screen.write_all(b"wrong\n").unwrap();
    let seen = seen + &read_until(&mut screen, "passphrase of ");
    screen.write_all(b"open sesame\n").unwrap();
    let mut text = String::new();
    typing.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(typing.wait().unwrap().success());
    assert!(text.starts_with("sent a token for door ssh"), "{text}");
    assert!(!seen.contains("wrong"), "what is typed is not shown: {seen}");
}

fn read_until(screen: &mut File, part: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(part) {
        let mut piece = [0; 256];
        let length = screen.read(&mut piece).unwrap();
        seen += &String::from_utf8_lossy(&piece[..length]);
    }
    seen
}

#[test]
fn a_forwarded_agent_signs_on_another_machine() {
    needs!(root);
    let mut lab = laptop();
    lab.host("forwarded4", SERVER4, "laptop.pub", "");
    let daemon = lab.daemon();
    let agent = Agent::start(&lab);
    agent.add(&[lab.path("laptop").to_str().unwrap()], "", &lab);
    // The laptop sits beside the server; the client is the machine it works on.
    let _sshd = lab.sshd(&lab.lab.client, 2222);
    let config = format!("XDG_CONFIG_HOME={}", lab.lab.files.path().display());
    let knock = format!("{config} {KNOCK} forwarded4 ssh");
    let there = format!("root@{CLIENT4}");
    let mut ssh = lab.ssh(&lab.lab.server, &["-A", "-p", "2222", &there, &knock]);
    let output = ssh.env("SSH_AUTH_SOCK", agent.socket()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    daemon.expect(&format!("door ssh opened for {CLIENT4} by laptop"));
}

#[test]
fn a_client_behind_nat_gets_in_or_learns_at_once_why_not() {
    needs!(root);
    let mut lab = SshLab::new();
    let (may, may_not) = (lab.ssh_keygen("roamer", ""), lab.ssh_keygen("settler", ""));
    lab.user("roamer", &format!("AuthorizedKey({may:?})"), "roamer", ", source: Observed");
    lab.user("settler", &format!("AuthorizedKey({may_not:?})"), "settler", "");
    // An address that the registries call global: a name server of AS 112.
    let server = "192.175.48.1";
    lab.host("enrolled", server, "settler", ", source: Bound");
    lab.host("settler", server, "settler", "");
    lab.host("roamer", server, "roamer", "");
    let daemon = lab.daemon();
    let _service = lab.lab.listen(22);
    let inside = hide_behind(&lab.lab);
    lab.lab.server.ip(&["address", "add", server, "dev", "eth0"]);
    lab.lab.client.ip(&["route", "add", server, "via", SERVER4]);
    let knock = |arguments: &[&str]| {
        let mut command = inside.command(KNOCK);
        command.env("XDG_CONFIG_HOME", lab.lab.files.path()).args(arguments).output().unwrap()
    };

    let output = knock(&["-4", "--wait", "roamer", "ssh"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("10.0.0.2 is not a global address"), "{}", said(&output));
    daemon.expect(&format!("door ssh opened for {CLIENT4} by roamer"));

    // A client that was enrolled as bound is warned before anything is sent.
    let output = knock(&["enrolled", "ssh"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("source: Observed for the user on the server"));
    // Who was not sees the door stay shut, and the server's log says why.
    let output = knock(&["settler", "ssh"]);
    assert!(output.status.success(), "{}", said(&output));
    let (_, line) = daemon.expect("in the name of settler");
    assert!(line.ends_with("unnamed, the user needs source: Observed"), "{line}");
    lab.lab.client.add_address("192.0.2.101", "eth0");
    lab.lab.client.nft("flush chain ip nat postrouting");
    lab.lab.client.nft("add rule ip nat postrouting oifname eth0 snat to 192.0.2.101");
    let output = knock(&["--address", "10.0.0.2", "settler", "ssh"]);
    assert!(output.status.success(), "{}", said(&output));
    let (_, line) = daemon.expect("from 192.0.2.101 refused");
    assert!(line.ends_with("hosts.ron need source: Observed"), "{line}");
    // Who knows the address that the server sees can name it.
    for named in [["--address", "192.0.2.101"], ["--address-command", "echo 192.0.2.101"]] {
        let output = knock(&[&named[..], &["settler", "ssh"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        daemon.expect("for 192.0.2.101 by settler");
    }
}

#[test]
fn the_offset_of_a_clock_that_is_wrong_is_logged_by_user() {
    needs!(root);
    let lab = laptop();
    let daemon = lab.daemon();
    let access = knockd::client::access::Access {
        gate_key: knockd::client::key_files::read_gate(&lab.path("gate.key")).unwrap(),
        server_name: lab::NAME.into(),
        key: knockd::client::key_files::read_user(&lab.path("laptop")).unwrap(),
    };
    let late = furnish::clock() - std::time::Duration::from_secs(4_000);
    let stale = furnish::token(&access, "ssh", furnish::named(CLIENT4), late);
    lab.lab.send(CLIENT4, &stale);
    let (_, line) = daemon.expect("in the name of laptop");
    assert!(line.contains("refused, stale, issued 4000."), "{line}");
    assert!(line.ends_with(" s behind our clock"), "{line}");
}
