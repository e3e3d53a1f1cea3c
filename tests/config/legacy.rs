//! Errors in fields for older clients.
#![forbid(unsafe_code)]

use std::fs;

use crate::house::{House, conf};
use crate::modes;

/// A valid pair of keys, as `fwknop --key-gen` prints them.
#[cfg(feature = "legacy")]
const KEYS: &str = "KEY_BASE64: eciCqYHxbSMqQl4m3e4fKdyVnbsm8FNv8ATAhlp7EE8=
HMAC_KEY_BASE64: kWi/CMYn7GyqUQoF6EnSeE34odZr7YxaI7BtkpvX8LxGOA8+oFQF4ylU6sgtWnrBwOouIOtLpEAgyrK7mPQn5A==
";

fn write(house: &mut House, name: &str, text: &str, mode: u32) {
    let path = house.path(name);
    fs::write(&path, text).unwrap();
    modes::set_mode(&path, mode);
    house.secrets.extend(text.split_whitespace().map(str::to_owned).filter(|s| s.len() > 20));
}

/// A configuration with these users only, and the stanza `legacy` unless empty.
fn users(stanza: &str, users: &str) -> String {
    let users = format!("users: {{{users}}}");
    if stanza.is_empty() { conf(&[&users]) } else { conf(&[&users, stanza]) }
}

const FAY: &str = "\"fay\": (credential: Fwknop(keys: \"fay.keys\"), doors: [\"ssh\"])";

#[cfg(not(feature = "legacy"))]
#[test]
fn a_build_without_older_clients_reports_their_fields() {
    let mut house = House::new();
    write(&mut house, "fay.keys", "", 0o600);
    let absent = "this knockd was built without the feature legacy, remove it";
    assert_eq!(
        house.problems(&users("legacy: ()", FAY)),
        [format!("6:42: {absent}"), format!("7:9: {absent}")]
    );
}

#[cfg(feature = "legacy")]
mod built_in {
    use std::time::Duration;

    use knockd::core::legacy::{Format, MAX_KEYS};
    use knockd::core::user::{CredentialIndex, UserIndex};

    use super::*;

    fn house() -> House {
        let mut house = House::new();
        write(&mut house, "fay.keys", KEYS, 0o600);
        write(&mut house, "pat.key", "correct horse battery staple\n", 0o600);
        house
    }

    #[test]
    fn a_byte_order_mark_is_skipped_in_the_files_of_older_clients() {
        let mut house = house();
        let keys = |house: &House| {
            house.parse(&users("", &format!("{FAY}, {PAT}"))).unwrap().policy.users.len()
        };
        write(&mut house, "fay.keys", &format!("\u{feff}{KEYS}"), 0o600);
        write(&mut house, "pat.key", "\u{feff}correct horse battery staple\n", 0o600);
        assert_eq!(keys(&house), 2);
    }

    const PAT: &str = "\"pat\": (credential: Pyknock(\"pat.key\"), doors: [\"ssh\"])";

    #[test]
    fn users_of_older_clients_need_no_gate_key() {
        let text = users("", &format!("{FAY}, {PAT}"));
        let text = text.replace("spa: (port: 40123, gate_keys: [\"gate.key\"]),\n", "");
        let config = house().parse(&text).unwrap();
        let legacy = config.policy.legacy.as_ref().unwrap();
        let ways: Vec<_> =
            legacy.ways.iter().map(|way| (way.format, way.port, way.keys.clone())).collect();
        assert_eq!(
            ways,
            [
                (Format::Fwknop, 62_201, vec![(UserIndex(0), CredentialIndex(0))]),
                (Format::Pyknock, 60_120, vec![(UserIndex(1), CredentialIndex(0))]),
            ]
        );
        assert_eq!(legacy.max_skew, Duration::from_secs(30));
        assert_eq!(config.policy.token_ports(), [62_201, 60_120]);
    }

    #[test]
    fn without_such_users_the_stanza_is_a_warning() {
        let alice = "\"alice\": (credential: Secret(\"alice.key\"), doors: [\"ssh\"])";
        let text = users("legacy: (fwknop_port: 4)", alice);
        assert!(house().parse(&text).unwrap().policy.legacy.is_none());
        assert_eq!(
            house().warnings(&text),
            ["7:9: no user has a credential Fwknop or Pyknock, remove legacy"]
        );
    }

    #[test]
    fn ports_are_valid_and_not_used_twice() {
        for (stanza, expected) in [
            ("legacy: (fwknop_port: 0)", "7:23: invalid port 0, use 1 to 65535"),
            (
                "legacy: (fwknop_port: 40123)",
                "7:23: fwknop_port is 40123, the port of spa, use another",
            ),
            (
                "legacy: (pyknock_port: 62201)",
                "7:24: pyknock_port is 62201, the port of fwknop, use another",
            ),
            (
                "legacy: (max_skew: \"1h\")",
                "7:20: max_skew is \"1h\", must be 1s to 10m, as in \"1m30s\"",
            ),
        ] {
            let text = users(stanza, &format!("{FAY}, {PAT}"));
            assert_eq!(house().problems(&text), [expected]);
        }
        let steps =
            "sequences: {\"s\": (steps: [Tcp(1), Udp(62201), Tcp(7)], opens: [\"ssh\"])}";
        let text = conf(&[&format!("users: {{{FAY}}}"), steps]);
        assert_eq!(
            house().problems(&text),
            ["7:35: 62201/udp is a port of tokens and cannot be a step, use another"]
        );
    }

    #[test]
    fn broken_digests_must_be_allowed() {
        for hmac in ["Md5", "Sha1"] {
            let fay = |rest: &str| {
                FAY.replace("\"fay.keys\"", &format!("\"fay.keys\", hmac: {hmac}{rest}"))
            };
            assert_eq!(
                house().problems(&users("", &fay(""))),
                [
                    "6:42: MD5 and SHA-1 are broken, use Sha256 here and in the client, or write legacy_digests: true"
                ]
            );
            assert!(house().parse(&users("", &fay(", legacy_digests: true"))).is_ok());
        }
    }

    #[test]
    fn key_files_have_the_form_of_the_programs_and_are_secret() {
        let short = "KEY_BASE64: AAAA\n";
        let twice = KEYS.replace("HMAC_KEY", "KEY");
        let one = KEYS.lines().next().unwrap().to_owned() + "\n";
        for (text, expected) in [
            (
                "KEY: swordfish\n",
                ":1: a passphrase can be guessed, create keys with fwknop --key-gen",
            ),
            (
                short,
                ":1: KEY_BASE64 must be 16 to 32 bytes long, create keys with fwknop --key-gen",
            ),
            (
                &twice,
                ":2: KEY_BASE64 must be 16 to 32 bytes long, create keys with fwknop --key-gen",
            ),
            (&(one.clone() + &one), ":2: KEY_BASE64 appears twice, remove one"),
            (&one, ": HMAC_KEY_BASE64 is missing, run fwknop --key-gen --use-hmac"),
            ("KEY_BASE64: !\n", ":1: the key is not base64"),
            ("# none\n\nSOURCE ANY\n", ":3: not a line of fwknop --key-gen, remove it"),
        ] {
            let mut house = house();
            write(&mut house, "fay.keys", text, 0o600);
            let problems = house.problems(&users("", FAY));
            assert_eq!(problems, [format!("6:42: ETC/knockd/fay.keys{expected}")]);
        }
        for (text, expected) in [
            (
                "too short\n",
                ":1: the key must be 16 to 256 bytes long, create one with openssl rand -base64 24",
            ),
            ("one line and\nanother one\n", ":2: the file must have one line, the key"),
            (
                "schlüssel mit umlaut\n",
                ":1: the key must be printable ASCII, as on the command line",
            ),
            (
                "from another system\r\n",
                ":1: the key must be printable ASCII, as on the command line",
            ),
        ] {
            let mut house = house();
            write(&mut house, "pat.key", text, 0o600);
            let problems = house.problems(&users("", PAT));
            assert_eq!(problems, [format!("6:37: ETC/knockd/pat.key{expected}")]);
        }
        for (name, user, at) in [("fay.keys", FAY, 42), ("pat.key", PAT, 37)] {
            let house = house();
            modes::set_mode(house.path(name), 0o644);
            let problems = house.problems(&users("", user));
            let expected = format!("6:{at}: ETC/knockd/{name} is open to others, mode 0644");
            assert!(problems[0].starts_with(&expected), "{problems:?}");
        }
    }

    #[test]
    fn the_form_of_access_conf_and_comments_are_read() {
        let mut house = house();
        let text = KEYS.replace(": ", "   ").replace('\n', ";\n");
        write(&mut house, "fay.keys", &format!("# of fay\n{text}\n"), 0o600);
        assert!(house.parse(&users("", FAY)).is_ok());
    }

    #[test]
    fn keys_are_not_shared_and_few() {
        let mut house = house();
        let other = FAY.replace("\"fay\"", "\"fred\"");
        assert_eq!(
            house.problems(&users("", &format!("{FAY},\n{other}"))),
            ["7:22: user \"fay\" already has this key, give each user one"]
        );
        let mut many = String::new();
        for number in 0..=MAX_KEYS {
            let name = format!("key{number}");
            write(&mut house, &name, &format!("a key of some length, {number}"), 0o600);
            many +=
                &format!("\"u{number}\": (credential: Pyknock(\"{name}\"), doors: [\"ssh\"]),");
        }
        assert_eq!(
            house.problems(&users("", &many)),
            ["6:8: more than 32 users with pyknock, give the others credentials of knockd"]
        );
    }

    #[test]
    fn a_door_that_a_client_cannot_open_is_a_warning() {
        let doors = "doors: {\"ssh\": (table: \"knock_ssh\")}";
        let text = conf(&[doors, &format!("users: {{{FAY}}}")]);
        let warnings = house().warnings(&text);
        let expected = "user \"fay\" cannot open door ssh with fwknop, add ports to the door";
        assert!(warnings.iter().any(|line| line.ends_with(expected)), "{warnings:?}");
    }
}
