//! Ten thousand users: the daemon starts, lets the last one in, and reads its
//! configuration again meanwhile.

use std::fmt::Write;

use crate::net::furnish::{NAME, ahead, named, token};
use crate::net::*;
use ed25519_dalek::SigningKey;
use knockd::client::key::ed25519::Ed25519;
use knockd::keyfile;
use nix::sys::signal::Signal;

const USERS: u32 = 10_000;

fn seed(number: u32) -> [u8; 32] {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    seed
}

fn configuration(lab: &Lab) -> String {
    let directory = lab.files.path().display();
    let mut text = format!(
        r#"(
    name: "{NAME}",
    interfaces: ["eth0"],
    spa: (port: {SPA_PORT}, gate_keys: ["gate.key"]),
    firewall: Nft(table: "filter"),
    doors: {{ "ssh": (table: "knock_ssh", open_for: "60s") }},
    user: "nobody",
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
    users: {{
"#
    );
    for number in 0..USERS {
        let public = SigningKey::from_bytes(&seed(number)).verifying_key();
        let public = keyfile::public_to_text(public.as_bytes());
        writeln!(text, r#""u{number}": (credential: Ed25519("{public}"), doors: ["ssh"]),"#)
            .unwrap();
    }
    text + "})"
}

#[test]
fn the_last_of_ten_thousand_users_gets_in_before_and_after_a_reload() {
    needs!(root);
    let _alone = crate::alone();
    let lab = Lab::new();
    lab.keygen("gate.key", &["--gate"]);
    lab.empty_journal();
    let config = lab.write("knockd.ron", &configuration(&lab));
    let daemon = lab.daemon(&config);
    let knock = |number: u32, from: &str| {
        let access = knockd::client::access::Access {
            gate_key: knockd::client::key_files::read_gate(&lab.path("gate.key")).unwrap(),
            server_name: NAME.into(),
            key: Box::new(Ed25519::new(&seed(number))),
        };
        lab.send(from, &token(&access, "ssh", named(from), ahead()));
        daemon.expect(&format!("door ssh opened for {from} by u{number}"));
    };
    knock(USERS - 1, CLIENT4);
    daemon.signal(Signal::SIGHUP);
    daemon.expect("configuration reloaded");
    knock(0, CLIENT6);
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains("refused")), "{log:#?}");
}
