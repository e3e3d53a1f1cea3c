//! Key files: made once, kept from others, never shown.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use base64ct::{Base64, Encoding};
use knockd::client::key::ed25519::Ed25519;
use knockd::core::token::MAX_LENGTH;
use knockd::keyfile::{self, KeyKind};

use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, PrivateKey};

use crate::{modes, programs};

use super::home::{GATE, Home, SECRET, SEED, key_line, opened, udp};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_user_key_lies_in_the_users_directory_for_its_eyes_only() {
    let home = Home::empty();
    let said = home.knock("--keygen");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let file = home.file("id.key");
    assert_eq!(keyfile::read(&file).unwrap().kind, KeyKind::Ed25519);
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_new_user_key_is_announced_by_its_public_half() {
    let home = Home::empty();
    let said = said_as(&home, "--keygen", "carol");
    let seed = keyfile::read(&home.file("id.key")).unwrap().key;
    let public = keyfile::public_to_text(&Ed25519::new(&seed).public());
    let expected = format!(
        "// public key {public}\n\"carol\": (credential: Ed25519({public:?}), doors: [\"ssh\"]),\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn a_login_name_that_the_server_refuses_is_not_proposed() {
    let said = said_as(&Home::empty(), "--keygen", "Carol \"C\"");
    assert!(said.contains("\n\"alice\": ("), "{said}");
}

fn said_as(home: &Home, line: &str, login: &str) -> String {
    let output = home.command(line).env("LOGNAME", login).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn new_keys_are_of_the_kind_asked_for_and_stay_unseen() {
    let home = Home::empty();
    for (line, kind) in [
        ("--keygen config/knock/made", KeyKind::Ed25519),
        ("--keygen --secret config/knock/made", KeyKind::Secret),
        ("--keygen --gate config/knock/made", KeyKind::Gate),
    ] {
        let output = home.command(line).output().unwrap();
        let file = home.file("made");
        let made = keyfile::read(&file).unwrap();
        assert_eq!((made.kind, mode(&file)), (kind, 0o600));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(&Base64::encode_string(&*made.key)), "{line}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn no_two_new_keys_are_equal() {
    let home = Home::empty();
    let made = |name: &str| {
        assert_eq!(home.knock(&format!("--keygen config/knock/{name}")).code, Some(0));
        keyfile::read(&home.file(name)).unwrap().key
    };
    assert!(made("one") != made("two"));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let home = Home::with_keys();
    let before = fs::read(home.file("id.key")).unwrap();
    for line in ["--keygen", "--keygen --secret", "--keygen --gate config/knock/id.key"] {
        let said = home.knock(line);
        assert_eq!((said.code, &*said.out), (Some(1), ""), "{line}");
        assert!(said.err.contains("id.key"), "{}", said.err);
        assert_eq!(fs::read(home.file("id.key")).unwrap(), before, "{line}");
    }
}

#[test]
fn a_link_to_nowhere_is_not_followed_when_a_key_is_made() {
    let home = Home::with_keys();
    let target = home.file("target");
    std::os::unix::fs::symlink(&target, home.file("link")).unwrap();
    assert_eq!(home.knock("--keygen config/knock/link").code, Some(1));
    assert!(!target.exists());
}

#[test]
fn key_files_that_others_can_read_are_refused() {
    let home = Home::with_keys();
    let (socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    for (name, kind, bytes) in
        [("id.key", "knockd-ed25519", &SEED), ("gw1.gate", "knockd-gate", &GATE)]
    {
        for mode in [0o604, 0o602, 0o640, 0o440, 0o644] {
            home.write(name, &key_line(kind, bytes), mode);
            let said = home.knock("-v gw1 ssh");
            assert_eq!((said.code, &*said.out), (Some(1), ""), "{name} {mode:o}");
            let todo = format!("run chmod 600 {}\n", home.file(name).display());
            assert!(said.err.ends_with(&todo), "{}", said.err);
        }
        home.write(name, &key_line(kind, bytes), 0o600);
    }

    // What arrives first is the token of the run after all refusals.
    home.knock("gw1 last").nothing();
    let mut buffer = [0; MAX_LENGTH + 1];
    let length = socket.recv(&mut buffer).unwrap();
    let request = opened(&buffer[..length], &Ed25519::new(&SEED)).decode().unwrap();
    assert_eq!(request.door, knockd::core::door::wire_id("last"));
}

/// A private key of OpenSSH.
fn ssh_key() -> String {
    let both = [SEED, Ed25519::new(&SEED).public()].concat();
    let pair = Ed25519Keypair::from_bytes(&both.try_into().unwrap()).unwrap();
    let key = PrivateKey::new(pair.into(), "").unwrap();
    key.to_openssh(LineEnding::LF).unwrap().to_string()
}

#[test]
fn secrets_of_sequences_and_ssh_keys_that_the_group_can_read_are_refused() {
    let home = Home::with_keys();
    home.write("rolling.key", &key_line("knockd-secret", &SECRET), 0o640);
    let ssh = ssh_key();
    home.write("id_ed25519", &ssh, 0o640);
    home.write_host("127.0.0.1", udp("127.0.0.1").1, "key: \"id_ed25519\"");
    for (line, name) in [
        ("--rolling config/knock/rolling.key -d 0 127.0.0.1", "rolling.key"),
        ("gw1 ssh", "id_ed25519"),
    ] {
        let said = home.knock(line);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(
            said.err.contains("is open to others, mode 0640, run chmod 600 "),
            "{}",
            said.err
        );
        modes::set_mode(home.file(name), 0o600);
        home.knock(line).nothing();
    }
}

#[test]
fn a_private_key_of_ssh_that_belongs_to_root_is_left_to_root() {
    needs!(root);
    const NOBODY: u32 = 65_534;
    let home = Home::with_keys();
    let ssh = ssh_key();
    home.write_host("127.0.0.1", udp("127.0.0.1").1, "key: \"id_ed25519\"");
    for (owner, code) in [(0, Some(0)), (NOBODY, Some(1))] {
        home.write("id_ed25519", &ssh, 0o640);
        let command = home.command("gw1 ssh");
        let program = home.file("knock");
        programs::copy(env!("CARGO_BIN_EXE_knock"), &program);
        for name in ["../..", "..", "", "gw1.gate", "hosts.ron", "id_ed25519", "knock"] {
            chown(home.file(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(home.file("id_ed25519"), Some(owner), Some(NOBODY)).unwrap();
        let mut other = Command::new(&program);
        other
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let output = other.current_dir("/").uid(NOBODY).gid(NOBODY).output().unwrap();
        assert_eq!(output.status.code(), code, "{owner}: {output:?}");
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let home = Home::with_keys();
    home.write_host("127.0.0.1", 9, "key: \"gw1.gate\"");
    let said = home.knock("gw1 ssh");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("gw1.gate is a knockd-gate file"), "{}", said.err);
    home.write("gw1.gate", &key_line("knockd-secret", &SECRET), 0o600);
    let said = home.knock("gw1 ssh");
    assert!(said.err.contains("gw1.gate is a knockd-secret file"), "{}", said.err);
}

#[test]
fn no_key_is_ever_shown() {
    let home = Home::with_keys();
    let (_socket, port) = udp("127.0.0.1");
    let keys = [GATE, SECRET, SEED].map(|key| Base64::encode_string(&key));
    let mut said = Vec::new();
    for key in ["id.key", "id.secret", "gw1.gate", "missing"] {
        home.write_host("127.0.0.1", port, &format!("key: {key:?}"));
        said.push(home.knock("-v gw1 ssh"));
    }
    // The key itself where a path belongs, and a file that holds it wrongly.
    home.write_host("127.0.0.1", port, &format!("key: {:?}", keys[1]));
    said.push(home.knock("-v gw1 ssh"));
    home.write("id.key", &format!("ed25519 {}\n", keys[2]), 0o600);
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    said.push(home.knock("-v gw1 ssh"));

    let codes: Vec<_> = said.iter().map(|said| said.code).collect();
    let (sent, refused) = (Some(0), Some(1));
    assert_eq!(codes, [sent, sent, refused, refused, refused, refused]);
    for said in said {
        for key in &keys {
            assert!(!said.out.contains(key) && !said.err.contains(key), "{said:?}");
        }
    }
}

#[test]
fn no_argument_and_no_variable_takes_a_key() {
    let home = Home::with_keys();
    let (_socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"missing\"");
    let key = Base64::encode_string(&SEED);
    for option in ["--key", "--secret", "--gate-key", "-k"] {
        assert_eq!(home.knock(&format!("{option} {key} gw1 ssh")).code, Some(2), "{option}");
    }
    let with_variables =
        home.command("gw1 ssh").env("KNOCK_KEY", &key).env("KNOCK_SECRET", &key).output();
    assert_eq!(with_variables.unwrap().status.code(), Some(1));
}
