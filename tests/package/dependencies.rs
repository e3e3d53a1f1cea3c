//! What the daemon is built of: nothing that only its clients need.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a build with these features is made of.
fn tree(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{lib}", "--no-default-features"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn what_only_clients_and_older_programs_need_is_no_part_of_the_daemon() {
    let daemon = tree(&[]);
    let client = tree(&["--features", "client"]);
    assert!(daemon.contains("ssh_key"), "the tree is read as it is written");
    for part in ["bcrypt_pbkdf", "aes", "chacha20", "qrcode"] {
        assert!(client.contains(part), "{part} is what the client needs it for");
        assert!(!daemon.contains(part), "{part} is part of the daemon");
    }
    let legacy = tree(&["--features", "legacy"]);
    for part in ["aes", "cbc", "md5", "sha1"] {
        assert!(legacy.contains(part), "{part} is what older programs' tokens need it for");
        assert!(!daemon.contains(part), "{part} is part of the daemon");
    }
    // There is no agent and no RSA in either, and one crate of each hash.
    for part in ["rsa", "tokio", "ssh_agent_client_rs", "ssh_agent_lib", "openssl"] {
        assert!(!client.contains(part), "{part} is part of the client");
    }
}
