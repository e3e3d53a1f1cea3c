//! Errors in users and in their keys.
#![forbid(unsafe_code)]

use crate::house::{House, PUBLIC, assert_problems, conf};
use crate::modes;
use knockd::keyfile::{self, KeyKind};

#[test]
fn users_have_known_doors_and_valid_dates() {
    let user = |rest: &str| {
        format!("users: {{\"alice\": (credential: Secret(\"alice.key\"), doors: {rest})}}")
    };
    for (rest, expected) in [
        ("[\"ssh\", \"web\"]", "6:67: there is no door \"web\""),
        ("[\"ssh\", \"ssh\"]", "6:67: door \"ssh\" is named twice"),
        ("[\"ssh\"], max_leases: 0", "6:80: max_leases is 0, must be 1 to 200000"),
        (
            "[\"ssh\"], not_after: \"2027-02-29\"",
            "6:79: not_after is \"2027-02-29\", must be a day as in \"2027-01-31\" or a second as in \"2027-01-31T12:00:00Z\"",
        ),
    ] {
        assert_problems(&[&user(rest)], &[expected]);
    }
    assert_problems(
        &["users: {\"Al\\nice\": (credential: Secret(\"alice.key\"), doors: [\"ssh\"])}"],
        &[
            "6:9: invalid user name \"Al\\nice\", use a letter a-z, then up to 31 of a-z 0-9 _ and -",
        ],
    );
}

#[test]
fn users_need_the_stanza_spa() {
    let text = conf(&[]).replace("spa: (port: 40123, gate_keys: [\"gate.key\"]),\n", "");
    assert_eq!(
        House::new().problems(&text),
        ["5:8: users need spa, add spa: (port: .., gate_keys: [..])"]
    );
}

#[test]
fn weak_public_keys_are_rejected_and_not_shown() {
    let user = |key: &str| {
        format!("users: {{\"alice\": (credential: Ed25519(\"{key}\"), doors: [\"ssh\"])}}")
    };
    let small_order = keyfile::public_to_text(&[0; 32]);
    let no_point = keyfile::public_to_text(&[2; 32]);
    for key in [small_order, no_point] {
        let expected = "6:39: this public key is weak, anybody can sign for it: create another";
        assert_problems(&[&user(&key)], &[expected]);
    }
    for key in ["", &PUBLIC[..43], "not base64", &format!("{PUBLIC}AAAA")] {
        let expected = "6:39: a public key must be 32 bytes in base64";
        assert_problems(&[&user(key)], &[expected]);
    }
}

#[test]
fn no_two_users_have_the_same_key_and_none_has_the_gate_key() {
    let mut house = House::new();
    let users = |key: &str| {
        format!(
            "users: {{\"alice\": (credential: Secret(\"alice.key\"), doors: [\"ssh\"]),\n\
             \"bob\": (credential: Secret(\"{key}\"), doors: [\"ssh\"])}}"
        )
    };
    assert_eq!(
        house.problems(&conf(&[&users("alice.key")])),
        ["7:21: user \"alice\" already has this key, give each user one"]
    );
    house.add_key("gate-copy.key", KeyKind::Secret, 0);
    assert_eq!(
        house.problems(&conf(&[&users("gate-copy.key")])),
        ["7:21: this secret is a gate key, which all clients have, create another"]
    );
}

#[test]
fn there_are_one_or_two_different_gate_keys() {
    let spa = |keys: &str| format!("spa: (port: 40123, gate_keys: [{keys}])");
    let count = "5:31: name one gate key, or two during a rotation, newest first";
    assert_problems(&[&spa("")], &[count]);
    assert_problems(
        &[&spa("\"gate.key\", \"gate.key\"")],
        &["5:44: this gate key appears twice, remove one"],
    );
    let mut house = House::new();
    house.add_key("third.key", KeyKind::Gate, 9);
    let three = conf(&[&spa("\"gate.key\", \"old-gate.key\", \"third.key\"")]);
    assert_eq!(house.problems(&three), [count]);
}

#[test]
fn a_key_file_of_another_kind_is_rejected() {
    assert_problems(
        &["spa: (port: 40123, gate_keys: [\"bob.key\"])"],
        &["5:32: ETC/knockd/bob.key is a knockd-secret file, name a knockd-gate file"],
    );
    assert_problems(
        &["users: {\"alice\": (credential: Secret(\"seed.key\"), doors: [\"ssh\"])}"],
        &["6:38: ETC/knockd/seed.key is a knockd-ed25519 file, name a knockd-secret file"],
    );
}

#[test]
fn the_path_of_a_key_file_is_one_line() {
    assert_problems(
        &["spa: (port: 40123, gate_keys: [\"gate\\nkey\"])"],
        &["5:32: the path of a key file must be printable"],
    );
}

#[test]
fn a_key_in_the_place_of_its_path_is_not_shown() {
    let house = House::new();
    for secret in &house.secrets {
        for text in [secret.clone(), format!("knockd-secret {secret}")] {
            let spa = format!("spa: (port: 40123, gate_keys: [\"{text}\"])");
            let problems = house.problems(&conf(&[&spa]));
            assert!(
                problems[0].contains("this seems to be a key: store it in a file"),
                "{problems:?}"
            );
        }
        for text in [format!("(name: {secret})"), format!("(firewall: K{secret})")] {
            house.problems(&text);
        }
    }
}

#[test]
fn a_secrets_directory_that_others_can_write_to_is_rejected() {
    let house = House::new();
    let secrets = house.directory.path().join("knockd");
    modes::set_mode(&secrets, 0o770);
    assert_eq!(
        house.problems(&conf(&[])),
        ["1:1: ETC/knockd is open to others, mode 0770, run chmod 700 ETC/knockd"]
    );
    let written = format!("directories: (secrets: \"{}\")", secrets.display());
    assert!(house.problems(&conf(&[&written]))[0].starts_with("7:24: "));
    modes::set_mode(&secrets, 0o700);
    modes::set_mode(house.directory.path(), 0o777);
    assert_eq!(
        house.problems(&conf(&[])),
        ["1:1: ETC is open to others, mode 0777, run chmod go-w ETC"]
    );
}
