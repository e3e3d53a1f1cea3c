//! Lines of authorized_keys in a configuration, and the rights of users.
#![forbid(unsafe_code)]

use std::fs;

use crate::house::{House, PUBLIC, conf};
use crate::modes;
use base64ct::{Base64, Encoding};
use knockd::core::credential::{security_key, ssh};
use knockd::core::reason::Reason;
use knockd::core::time::Wall;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn key(kind: &str, parts: &[&[u8]]) -> String {
    let blob: Vec<u8> = std::iter::once(string(kind.as_bytes()))
        .chain(parts.iter().map(|part| string(part)))
        .flatten()
        .collect();
    format!("{kind} {}", Base64::encode_string(&blob))
}

fn public() -> Vec<u8> {
    Base64::decode_vec(PUBLIC).unwrap()
}

fn ssh() -> String {
    key("ssh-ed25519", &[&public()])
}

fn sk() -> String {
    key("sk-ssh-ed25519@openssh.com", &[&public(), b"ssh:"])
}

fn with(line: &str) -> String {
    conf(&[&format!(
        "users: {{\"ada\": (credential: AuthorizedKey({line:?}), doors: [\"ssh\"])}}"
    )])
}

#[test]
fn a_line_is_a_key_of_its_own_kind() {
    let house = House::new();
    for (line, kind) in [
        (ssh(), &ssh::KIND),
        (format!("{} ada at home, and more", ssh()), &ssh::KIND),
        (format!("  {}\t", sk()), &security_key::KIND),
        (format!("verify-required {} ada", sk()), &security_key::KIND),
        (format!("from=\"192.0.2.0/24, 2001:db8::/32\" {}", ssh()), &ssh::KIND),
    ] {
        let config = house.parse(&with(&line)).unwrap();
        assert_eq!(config.policy.users[0].credentials[0].kind(), Some(kind), "{line}");
    }
    let ids: std::collections::BTreeSet<_> = [
        with(&ssh()),
        with(&sk()),
        with(&key("sk-ssh-ed25519@openssh.com", &[&public(), b"ssh:work"])),
        conf(&[&format!(
            "users: {{\"ada\": (credential: Ed25519({PUBLIC:?}), doors: [\"ssh\"])}}"
        )]),
    ]
    .iter()
    .map(|text| house.parse(text).unwrap().policy.users[0].id())
    .collect();
    assert_eq!(ids.len(), 4, "the same public key four times, and four users");
}

#[test]
fn options_restrict_the_key() {
    let house = House::new();
    let line = "from=\"192.0.2.0/24,!192.0.2.66,2001:db8::7\",expiry-time=\"20270131Z\"";
    let config = house.parse(&with(&format!("{line} {}", ssh()))).unwrap();
    let user = &config.policy.users[0];
    let credential = &user.credentials[0];
    for (address, expected) in [
        ("192.0.2.1", true),
        ("192.0.2.66", false),
        ("192.0.3.1", false),
        ("2001:db8::7", true),
        ("2001:db8::8", false),
    ] {
        let found = user.may_be_at(credential, address.parse().unwrap());
        assert_eq!(found, expected, "{address}");
    }
    let end = 1_801_353_600_999; // within the second of 2027-01-31 00:00:00 UTC
    assert_eq!(user.check_validity(credential, Wall::from_millis(end)), Ok(()));
    let over = user.check_validity(credential, Wall::from_millis(end + 1));
    assert_eq!(over, Err(Reason::Expired));
}

#[test]
fn a_line_that_restricts_less_here_than_in_sshd_is_rejected() {
    let house = House::new();
    let (ssh, sk) = (ssh(), sk());
    let weak = key("ssh-ed25519", &[&[0; 32]]);
    for (line, expected) in [
        (format!("command=\"true\" {ssh}"), "option command does not apply to a knock"),
        (format!("no-pty,from=\"192.0.2.1\" {ssh}"), "option no-pty does not apply to a knock"),
        (format!("restrict {ssh}"), "option restrict does not apply to a knock"),
        (format!("cert-authority {ssh}"), "certificates are not supported"),
        (format!("no-touch-required {sk}"), "must always be touched"),
        (format!("verify-required {ssh}"), "verify-required needs a key of type sk-"),
        (format!("from=\"gw1.example.org\" {ssh}"), "from= must have addresses or networks"),
        (format!("from=\"192.0.2.*\" {ssh}"), "from= must have addresses or networks"),
        (format!("from=\"192.0.2.7/24\" {ssh}"), "write 192.0.2.0/24"),
        (format!("from=\"!192.0.2.7\" {ssh}"), "from= allows nothing"),
        (format!("from=\"192.0.2.1\",from=\"192.0.2.2\" {ssh}"), "from= appears twice"),
        (
            format!("from=\"{}192.0.2.1\" {ssh}", "192.0.2.0/24,".repeat(64)),
            "from= names more than 64 networks",
        ),
        (format!("from=192.0.2.1 {ssh}"), "from= needs a value in quotes"),
        (format!("expiry-time=\"20270131\" {ssh}"), "needs a trailing Z (UTC)"),
        (format!("expiry-time=\"20270230Z\" {ssh}"), "expiry-time= must be YYYYMMDDZ"),
        (weak, "weak"),
        ("ssh-rsa AAAAB3NzaC1yc2E= ada".into(), "ssh-rsa is not a known key type"),
        ("ssh-ed25519".into(), "not a line of authorized_keys"),
        ("ssh-ed25519 AAAA".into(), "invalid ssh-ed25519 public key"),
        (format!("ssh-ed25519 {}", &sk[27..]), "invalid ssh-ed25519 public key"),
        (String::new(), "not a line of authorized_keys"),
        ("from=\"192.0.2.1".into(), "not a line of authorized_keys"),
    ] {
        let problems = house.problems(&with(&line));
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert!(problems[0].contains(expected), "{line}: {problems:?}");
    }
}

#[test]
fn a_private_key_in_place_of_a_public_one_is_not_shown() {
    let mut house = House::new();
    let secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    house.secrets.push(secret.into());
    for line in [
        format!("-----BEGIN OPENSSH PRIVATE KEY----- {secret}"),
        secret.into(),
        format!("{secret} {secret} {secret}"),
        format!("ssh-ed25519 {secret}"),
        format!("from=\"{secret}\" ssh-ed25519 {secret}"),
    ] {
        assert_eq!(house.problems(&with(&line)).len(), 1);
    }
}

#[test]
fn a_file_gives_a_user_several_keys_and_errors_name_the_line() {
    let house = House::new();
    let text = conf(&[
        "users: {\"ada\": (credential: AuthorizedKeys(\"ada.keys\"), doors: [\"ssh\"])}",
    ]);
    let write = |content: &str, mode: u32| {
        fs::write(house.path("ada.keys"), content).unwrap();
        modes::set_mode(house.path("ada.keys"), mode);
    };
    write(&format!("# ada's\n\n{}\n\t{} token\n", ssh(), sk()), 0o644);
    assert_eq!(house.parse(&text).unwrap().policy.users[0].credentials.len(), 2);
    for (content, mode, expected) in [
        (format!("{}\nno-pty {}\n", ssh(), sk()), 0o644, "ada.keys:2: option no-pty"),
        ("# nothing\n".into(), 0o644, "there is no key"),
        (format!("{}\n", ssh()), 0o664, "run chmod 644"),
        (format!("{}\n{} again\n", ssh(), ssh()), 0o600, "this key appears twice"),
        (format!("{}\n", ssh()).repeat(33), 0o600, "ada.keys:33: more than 32 keys"),
    ] {
        write(&content, mode);
        let problems = house.problems(&text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn rights_are_read_within_their_ranges() {
    let house = House::new();
    let user = |rest: &str| {
        conf(&[&format!(
            "users: {{\"ada\": (credential: AuthorizedKey({:?}), doors: [\"ssh\"], {rest})}}",
            ssh()
        )])
    };
    let config = house
        .parse(&user(
            "networks: [\"192.0.2.0/24\"], not_before: \"2027-01-31\", max_open_for: \"5m\", \
             proofs_per_second: 3, note: \"until the move\"",
        ))
        .unwrap();
    let ada = &config.policy.users[0];
    assert_eq!((ada.proofs_per_second, ada.note.as_str()), (3, "until the move"));
    let early = Wall::from_millis(1_801_353_600_000 - 1);
    assert_eq!(ada.check_validity(&ada.credentials[0], early), Err(Reason::Pending));
    for (rest, expected) in [
        ("networks: [\"192.0.2.1/24\"]", "write 192.0.2.0/24"),
        ("not_before: \"soon\"", "not_before is \"soon\""),
        ("not_before: \"2027-02-01\", not_after: \"2027-01-31\"", "is before not_before"),
        ("max_open_for: \"31d\"", "max_open_for is \"31d\""),
        ("proofs_per_second: 0", "proofs_per_second is 0, must be 1 to 1000"),
        ("note: \"two\\nlines\"", "note must be one line"),
    ] {
        let problems = house.problems(&user(rest));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{rest}: {problems:?}");
    }
    for (door, expected) in [
        ("v4_prefix: 15", "v4_prefix is 15, must be 16 to 32"),
        ("v4_prefix: 33", "v4_prefix is 33, must be 16 to 32"),
        ("v6_prefix: 31", "v6_prefix is 31, must be 32 to 128"),
        ("v6_prefix: 129", "v6_prefix is 129, must be 32 to 128"),
    ] {
        let stanza = format!("doors: {{\"ssh\": (table: \"knock_ssh\", {door})}}");
        let problems = house.problems(&conf(&[&stanza]));
        assert!(problems[0].contains(expected), "{door}: {problems:?}");
    }
    let shared = |firewall: &str, prefix: &str| {
        let doors = format!(
            "doors: {{
                \"ssh\": (table: \"knock\", v6_prefix: 64),
                \"web\": (table: \"knock\", {prefix}),
            }}"
        );
        conf(&[firewall, &doors])
    };
    let nft = "firewall: Nft(table: \"knockd\")";
    house.parse(&shared(nft, "v6_prefix: 64")).unwrap();
    house.parse(&shared("firewall: Memory", "v6_prefix: 56")).unwrap();
    for prefix in ["", "v6_prefix: 56", "v6_prefix: 64, v4_prefix: 24"] {
        let problems = house.problems(&shared(nft, prefix));
        let text = "doors with one table need the same prefixes, those of door \"ssh\" differ";
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with(&format!("6:32: {text}")), "{problems:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_line_makes_the_parser_panic_or_is_repeated(text in ".{0,200}", options in "[a-z=\",!/.:0-9 -]{0,60}") {
        let mut secret = String::from("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
        secret.push_str(&text);
        for line in [text.clone(), format!("{options} {}", ssh()), format!("{options}{secret}")] {
            if let Err(why) = knockd::config::check_authorized_key(&line) {
                proptest::prop_assert!(!why.contains("c2VjcmV0"), "{}", why);
            }
        }
    }
}
