//! A configuration from memory is the same as from the disk, even if files
//! changed since.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;

use crate::house::{House, conf, sample};
use crate::modes;
use knockd::config::{self, Config, Files};
use knockd::keyfile;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// What other processes refer to by index, and the rest as text.
fn meaning(config: &Config) -> String {
    let Config { policy, .. } = config;
    let users: Vec<_> =
        policy.users.iter().map(|user| (&user.name, user.id(), &user.doors)).collect();
    let gates: Vec<_> =
        policy.spa.iter().flat_map(|spa| &spa.gate_keys).map(|key| key.1).collect();
    // Maps print in any order.
    let parts = (&policy.doors, &policy.sequences, policy.limits, policy.loopback);
    let rest = (&config.name, &config.interfaces, &config.directories, &config.warnings);
    format!("{users:?} {gates:?} {parts:?} {rest:?}")
}

/// The files, encoded and decoded as for another process.
fn passed_on(files: &Files) -> Files {
    let decoded = Files::decode(&files.encode()).unwrap();
    assert_eq!(&decoded, files);
    decoded
}

#[test]
fn a_configuration_from_memory_equals_the_one_from_the_disk() {
    for name in ["minimal.ron", "gateway.ron", "sequences.ron", "odd.ron"] {
        let house = House::new();
        let first = house.parse(&sample(name)).unwrap();
        fs::remove_dir_all(house.directory.path()).unwrap();
        let again = config::parse_files(&passed_on(&first.files)).unwrap();
        assert_eq!(meaning(&again), meaning(&first), "{name}");
        assert_eq!(again.files, first.files, "{name}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_in_every_text_file() {
    let house = House::new();
    let users = "users: {
        \"alice\": (credential: Secret(\"alice.key\"), doors: [\"ssh\"]),
        \"ada\": (credential: AuthorizedKeys(\"ada.keys\"), doors: [\"ssh\"]),
    }";
    let sequences =
        "sequences: {\"once\": (changing: OneTime(\"once.list\"), opens: [\"ssh\"])}";
    let ada =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    let mark = |path: &std::path::Path, text: &str| {
        modes::write_secret(path, format!("\u{feff}{text}"));
    };
    mark(&house.path("ada.keys"), &format!("{ada}\n"));
    mark(&house.path("once.list"), " 7000,1000,9000\n 8000,1000,7000\n");
    for name in ["gate.key", "alice.key"] {
        let text = fs::read_to_string(house.path(name)).unwrap();
        mark(&house.path(name), &text);
    }
    let file = house.directory.path().join("knockd.ron");
    let text = conf(&[users, sequences]);
    mark(&file, &text);
    let config = config::load(&file).unwrap();
    let lines = &config.policy.sequences[0].steps;
    let knockd::core::sequence::Steps::OneTime(list) = lines else { panic!("{lines:?}") };
    // The offset of a line is that in the file.
    assert_eq!(list.lines[0].offset, 3);
    assert!(knockd::keep::list::strike(&house.path("once.list"), &list.lines[..1]).unwrap());
    let struck = fs::read_to_string(house.path("once.list")).unwrap();
    assert_eq!(struck, "\u{feff}#7000,1000,9000\n 8000,1000,7000\n");
    config::load(&file).unwrap();
    // What runs and what is on the disk are the same configuration.
    let on_disk = config::fingerprint(&fs::read(&file).unwrap());
    assert_eq!(config::fingerprint(config.files.text()), on_disk);
    // Columns count from the first visible character.
    mark(&file, "x");
    let problem = config::load(&file).unwrap_err().to_string();
    assert!(problem.contains("knockd.ron:1:1:"), "{problem}");
}

#[test]
fn a_key_that_changed_on_the_disk_is_still_the_old_one_in_memory() {
    let mut house = House::new();
    let first = house.parse(&conf(&[])).unwrap();
    fs::remove_file(house.path("alice.key")).unwrap();
    house.add_key("alice.key", keyfile::KeyKind::Secret, 99);
    let id = |config: &Config| config.policy.users[0].id();
    assert_ne!(id(&house.parse(&conf(&[])).unwrap()), id(&first));
    assert_eq!(id(&config::parse_files(&first.files).unwrap()), id(&first));
}

#[test]
fn the_mode_of_a_key_file_is_checked_only_when_it_is_read() {
    let house = House::new();
    let first = house.parse(&conf(&[])).unwrap();
    for (path, mode) in [(house.path("alice.key"), 0o644), (house.path(""), 0o777)] {
        modes::set_mode(path, mode);
    }
    assert_eq!(house.parse(&conf(&[])).unwrap_err().list().len(), 2);
    assert!(config::parse_files(&first.files).is_ok());
}

#[test]
fn a_key_file_that_two_name_is_read_once() {
    let house = House::new();
    let twice = "spa: (port: 40123, gate_keys: [\"gate.key\", \"gate.key\"])";
    let problems = house.problems(&conf(&[twice]));
    assert_eq!(problems, ["5:44: this gate key appears twice, remove one"]);
}

#[test]
fn a_key_that_is_not_in_memory_is_missing() {
    let house = House::new();
    let files = house.parse(&conf(&[])).unwrap().files;
    let (_, directory, text, keys) = parts(&files.encode());
    let bare = encode(b"knockd.ron", &directory, &text, &BTreeMap::new());
    let problems = config::parse_files(&Files::decode(&bare).unwrap()).unwrap_err();
    assert_eq!(problems.list().len(), keys.len());
    assert!(problems.to_string().contains("cannot open key file"), "{problems}");
}

#[test]
fn errors_in_memory_are_reported_like_those_on_the_disk() {
    for (text, expected) in [
        (&b"(name: 7)"[..], "knockd.ron:1:8: expected a string in double quotes"),
        (b"(\n\xff", "knockd.ron:2:1: the text is not UTF-8"),
    ] {
        let files = Files::decode(&encode(b"knockd.ron", b"/", text, &BTreeMap::new()));
        let problems = config::parse_files(&files.unwrap()).unwrap_err();
        assert_eq!(problems.to_string(), expected);
    }
}

#[test]
fn key_files_that_are_too_large_together_are_rejected() {
    let house = House::new();
    let large = |number| format!("{:4095}\n", format!("knockd-secret {number}"));
    let mut users = String::from("users: {");
    for number in 0..4_200 {
        let path = house.path(&format!("{number}.key"));
        modes::write_secret(&path, large(number));
        users += &format!("\"u{number}\": (credential: Secret(\"{number}.key\"), doors: []),");
    }
    let problems = house.parse(&conf(&[&(users + "}")])).unwrap_err();
    let large = |text: &str| text.contains("the key files exceed 16777216 bytes");
    let refused = problems.list().iter().filter(|problem| large(&problem.text)).count();
    assert!((1..200).contains(&refused), "{refused}");
}

#[test]
fn files_do_not_show_their_content() {
    let house = House::new();
    let config = house.parse(&conf(&[])).unwrap();
    for shown in [format!("{:?}", config.files), format!("{config:?}")] {
        house.assert_discreet(&shown);
        assert!(!shown.contains("knock_ssh\\") && !shown.contains("knockd-secret"), "{shown}");
    }
}

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// The encoding, as its description has it.
fn encode(path: &[u8], directory: &[u8], text: &[u8], keys: &Keys) -> Vec<u8> {
    let keys = keys.iter().flat_map(|(path, key)| [&path[..], &key[..]]);
    let parts = [path, directory, text].into_iter().chain(keys);
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
    parts.flat_map(|part| [&length(part), part].concat()).collect()
}

fn parts(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>, Keys) {
    let mut next = || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        bytes = rest;
        Some(part.to_vec())
    };
    let (path, directory, text) = (next().unwrap(), next().unwrap(), next().unwrap());
    let keys = std::iter::from_fn(|| Some((next()?, next()?))).collect();
    (path, directory, text, keys)
}

#[test]
fn what_exceeds_a_limit_is_not_decoded() {
    let with = |text: &[u8], key: &[u8]| {
        let keys = Keys::from([(b"k".to_vec(), key.to_vec())]);
        Files::decode(&encode(b"f", b"/", text, &keys)).is_ok()
    };
    let most = usize::try_from(config::MAX_LENGTH).unwrap();
    assert!(with(&vec![b' '; most], &[b'k'; keyfile::MAX_PUBLIC_LENGTH]));
    assert!(!with(&vec![b' '; most + 1], b"k"));
    assert!(!with(b"", &[b'k'; keyfile::MAX_PUBLIC_LENGTH + 1]));

    let keys = |count: u32| {
        let key = |number: u32| (format!("{number:04}").into_bytes(), vec![b'k'; 4_084]);
        encode(b"f", b"/", &[b' '; 4_096 - 14], &(0..count).map(key).collect())
    };
    assert_eq!(keys(4_095).len(), config::MAX_TOTAL);
    assert!(Files::decode(&keys(4_095)).is_ok());
    assert!(Files::decode(&keys(4_096)).is_err());
}

#[test]
fn keys_out_of_order_or_twice_are_not_decoded() {
    let two = |first: &[u8], second: &[u8]| {
        let mut bytes = encode(b"f", b"/", b"", &Keys::new());
        for path in [first, second] {
            bytes.extend([&1_u32.to_be_bytes(), path, &0_u32.to_be_bytes()].concat());
        }
        Files::decode(&bytes).is_ok()
    };
    assert!(two(b"a", b"b"));
    assert!(!two(b"b", b"a") && !two(b"a", b"a"));
}

proptest! {
    #[test]
    fn encoded_files_are_decoded_to_the_same(
        path in vec(1_u8.., 0..20),
        text: Vec<u8>,
        keys in btree_map("[a-z]{1,8}".prop_map(String::into_bytes), vec(any::<u8>(), 0..99), 0..5),
    ) {
        let bytes = encode(&path, b"/etc", &text, &keys);
        let files = Files::decode(&bytes).unwrap();
        prop_assert_eq!(&files.encode()[..], &bytes[..]);
    }

    #[test]
    fn bytes_are_decoded_to_what_encodes_to_them_or_not_at_all(bytes: Vec<u8>) {
        if let Ok(files) = Files::decode(&bytes) {
            prop_assert_eq!(&files.encode()[..], &bytes[..]);
        }
    }

    #[test]
    fn damaged_files_are_decoded_to_what_encodes_to_them_or_not_at_all(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let keys = Keys::from([(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
        let mut bytes = encode(b"f", b"/", b"()", &keys);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for length in [bytes.len(), cut.index(bytes.len())] {
            if let Ok(files) = Files::decode(&bytes[..length]) {
                prop_assert_eq!(&files.encode()[..], &bytes[..length]);
                let _ = config::parse_files(&files);
            }
        }
    }
}
