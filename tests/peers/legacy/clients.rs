//! The real clients, and the keys that their users have.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use knockd::core::credential::{Credential, CredentialKey};
use knockd::core::legacy::{Digest, fwknop, pyknock};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::needs;

/// Keys as `fwknop --key-gen` printed them once.
pub const KEY: &str = "aYJEkEFLG5/HK4kIsXjGdfBf+h/X/zvR9N6NMrRcx5w=";
pub const HMAC_KEY: &str =
    "HEnswLfrwNO9f9/3U4SfWvCK7IpuEeDtJ14t20bZOuWL0p7BIdUz9tD5tIO5wJbdq5M4RUwWrHkLwWsWGtqPjA==";
/// What stands on the command line of pyknock-client.
pub const PSK: &str = "correct horse battery staple";

/// Every HMAC that the client offers, as it calls them.
pub const DIGESTS: [(&str, Digest); 7] = [
    ("md5", Digest::Md5),
    ("sha1", Digest::Sha1),
    ("sha256", Digest::Sha256),
    ("sha384", Digest::Sha384),
    ("sha512", Digest::Sha512),
    ("sha3_256", Digest::Sha3_256),
    ("sha3_512", Digest::Sha3_512),
];

/// Makes a command of a client, as any user has it.
pub fn pyknock_client() -> (String, Vec<String>, PathBuf) {
    let script = needs::find("pyknock-client").unwrap();
    let library = script.parent().unwrap().parent().unwrap().to_owned();
    ("python3".into(), vec![script.display().to_string()], library)
}

/// A home directory for a client.
pub struct Home(pub TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What Debian's fwknop makes for these options and the keys above.
    pub fn fwknop(&self, options: &[&str]) -> Vec<u8> {
        self.fwknop_with(KEY, HMAC_KEY, options)
    }

    pub fn fwknop_with(&self, key: &str, hmac_key: &str, options: &[&str]) -> Vec<u8> {
        let saved = self.0.path().join("packet");
        let _ = fs::remove_file(&saved);
        let mut command = Command::new("fwknop");
        command.env("HOME", self.0.path()).args(options);
        command.args(["-D", "192.0.2.1", "--test", "--save-packet"]).arg(&saved);
        if !options.contains(&"--gpg-encryption") {
            command.args(["--key-base64-rijndael", key]);
        }
        if !hmac_key.is_empty() {
            command.args(["--use-hmac", "--key-base64-hmac", hmac_key]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(&saved).unwrap();
        text.trim_end().as_bytes().to_vec()
    }
}

/// What pyknock-client sends for these options.
pub fn pyknock(command: &str, psk: &str, options: &[&str]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let (python, script, library) = pyknock_client();
    let sent = Command::new(python)
        .env("PYTHONPATH", library)
        .args(script)
        .args(options)
        .args(["-p", &port, command, "127.0.0.1", psk])
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// What we hold of a user of fwknop.
pub fn fwknop_credential(digest: Digest, broken_digests: bool) -> Credential {
    let decode = |text| Zeroizing::new(base64(text));
    let key = fwknop::FwknopKey::new(decode(KEY), decode(HMAC_KEY), digest, broken_digests);
    CredentialKey::Older(Box::new(key)).into()
}

/// What we hold of a user of pyknock.
pub fn pyknock_credential() -> Credential {
    CredentialKey::Older(Box::new(pyknock::PyknockKey::new(Zeroizing::new(PSK.into())))).into()
}

fn base64(text: &str) -> Vec<u8> {
    let mut bits = 0;
    let mut value = 0_u32;
    let mut bytes = Vec::new();
    for symbol in text.bytes().filter(|byte| *byte != b'=') {
        let digit = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        value = value << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((value >> bits) as u8);
        }
    }
    bytes
}
