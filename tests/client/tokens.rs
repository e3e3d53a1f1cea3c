//! Tokens on their way over loopback.
#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use knockd::client::key::UserKey;
use knockd::client::key::ed25519::Ed25519;
use knockd::client::key::secret::Secret;
use knockd::core::door;
use knockd::core::token::{MAX_LENGTH, Request, Wanted};
use zeroize::Zeroizing;

use super::home::{Home, SECRET, SEED, opened, udp};

/// Runs `knock` and reads the token that it sends to `gw1`.
fn sent(home: &Home, more: &str, line: &str, key: &dyn UserKey) -> Request {
    let (socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, more);
    home.knock(line).nothing();
    let mut buffer = [0; MAX_LENGTH + 1];
    let length = socket.recv(&mut buffer).unwrap();
    opened(&buffer[..length], key).decode().unwrap()
}

fn ed25519() -> Ed25519 {
    Ed25519::new(&SEED)
}

#[test]
fn the_token_names_door_user_and_the_address_it_comes_from() {
    let request = sent(&Home::with_keys(), "key: \"id.key\"", "gw1 ssh", &ed25519());
    assert_eq!(request.door, door::wire_id("ssh"));
    assert_eq!(request.wanted, Wanted::Address("127.0.0.1".parse().unwrap()));
    assert_eq!(request.lifetime, None);
}

#[test]
fn the_token_is_issued_now() {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap()
    };
    let before = now();
    let request = sent(&Home::with_keys(), "key: \"id.key\"", "gw1 ssh", &ed25519());
    assert!((before..=now()).contains(&request.issued.as_millis()));
}

#[test]
fn a_secret_proves_as_well_as_a_key() {
    let secret = Secret(Zeroizing::new(SECRET));
    sent(&Home::with_keys(), "key: \"id.secret\"", "gw1 ssh", &secret);
}

#[test]
fn the_lifetime_is_the_one_asked_for() {
    let home = Home::with_keys();
    let request = sent(&home, "key: \"id.key\"", "--for 8h gw1 ssh", &ed25519());
    assert_eq!(request.lifetime, Some(Duration::from_secs(28_800)));
}

#[test]
fn an_observed_source_stays_unnamed() {
    let more = "key: \"id.key\", source: Observed";
    let request = sent(&Home::with_keys(), more, "gw1 ssh", &ed25519());
    assert_eq!(request.wanted, Wanted::Source);
}

#[test]
fn paths_are_relative_to_the_hosts_file_wherever_it_lies() {
    let home = Home::with_keys();
    let (socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    std::fs::rename(home.file("hosts.ron"), home.file("others.ron")).unwrap();
    home.knock("-c config/knock/others.ron gw1 ssh").nothing();
    let mut buffer = [0; MAX_LENGTH + 1];
    let length = socket.recv(&mut buffer).unwrap();
    opened(&buffer[..length], &ed25519());
}

#[test]
fn no_two_tokens_share_a_salt() {
    let home = Home::with_keys();
    let (socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    let salt = || {
        home.knock("gw1 ssh").nothing();
        let mut buffer = [0; MAX_LENGTH + 1];
        let length = socket.recv(&mut buffer).unwrap();
        opened(&buffer[..length], &ed25519()).salt
    };
    assert_ne!(salt(), salt());
}

#[test]
fn on_demand_it_says_what_it_sent() {
    let home = Home::with_keys();
    let (_socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    let said = home.knock("-v gw1 ssh");
    let line = format!("sent a token for door ssh to 127.0.0.1 port {port} for 127.0.0.1\n");
    assert_eq!((said.code, said.out, said.err), (Some(0), line, String::new()));
}

#[test]
fn a_named_address_is_asked_for() {
    let home = Home::with_keys();
    let expected = Wanted::Address("192.0.2.7".parse().unwrap());
    let line = "--address 192.0.2.7 gw1 ssh";
    assert_eq!(sent(&home, "key: \"id.key\"", line, &ed25519()).wanted, expected);
    // For a command without blanks the words of a line will do.
    home.write("mine", "192.0.2.7\nand more\n", 0o644);
    let line = "--address-command cat<config/knock/mine gw1 ssh";
    assert_eq!(sent(&home, "key: \"id.key\"", line, &ed25519()).wanted, expected);
}

#[test]
fn an_address_is_sent_over_its_own_family_by_default() {
    let home = Home::with_keys();
    home.write_host("127.0.0.1", 40123, "key: \"id.key\"");
    let said = home.knock("--address 2001:db8::7 gw1 ssh");
    let expected = (Some(1), "knock: 127.0.0.1 has no IPv6 address\n");
    assert_eq!((said.code, &*said.err), expected);
    let line = "-4 --address 2001:db8::7 gw1 ssh";
    let wanted = sent(&home, "key: \"id.key\"", line, &ed25519()).wanted;
    assert_eq!(wanted, Wanted::Address("2001:db8::7".parse().unwrap()));
}

#[test]
fn keys_may_lie_anywhere_in_the_home_directory() {
    let request =
        sent(&Home::with_keys(), "key: \"~/config/knock/id.key\"", "gw1 ssh", &ed25519());
    assert_eq!(request.door, door::wire_id("ssh"));
}
