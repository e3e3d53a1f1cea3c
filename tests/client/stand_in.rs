//! The stand-in for a security key, held against the real OpenSSH: what other
//! tests prove with it is worth as much as this.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::security_key::{COMMENT, SecurityKey, sshsig};
use base64ct::{Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const MESSAGE: &str = "a knock";

/// The desk of ada, who has the key.
struct Desk {
    // Goes before the directory that its socket is in.
    key: SecurityKey,
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = SecurityKey::plug_in(&directory.path().join("sk.sock"), "ssh:");
        Self { key, directory }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("SSH_AUTH_SOCK", self.key.socket()).stdin(Stdio::null());
        command
    }

    /// What `ssh-add` prints.
    fn ssh_add(&self, arguments: &[&str]) -> String {
        let listed = self.command("ssh-add", arguments).output().unwrap();
        assert!(listed.status.success(), "{}", said(&listed));
        String::from_utf8(listed.stdout).unwrap()
    }

    /// Has `ssh-keygen` make `message.sig`.
    fn sign(&self) {
        // It asks before it writes over one.
        let _ = fs::remove_file(self.directory.path().join("message.sig"));
        let public = self.write("key.pub", &format!("{}\n", self.key.line()));
        let message = self.write("message", MESSAGE);
        let signed = self
            .command("ssh-keygen", &["-q", "-Y", "sign", "-n", "knockd", "-f"])
            .args([public, message])
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", said(&signed));
    }

    /// What `ssh-keygen` holds of `message.sig` for `message`, where
    /// `options` stand before ada's key.
    fn verify(&self, options: &str, message: &str) -> Output {
        let line = format!("ada {options}{}\n", self.key.line());
        let signers = self.write("signers", &line);
        let message = self.write("claimed", message);
        self.command("ssh-keygen", &["-Y", "verify", "-n", "knockd", "-I", "ada", "-f"])
            .arg(signers)
            .arg("-s")
            .arg(self.directory.path().join("message.sig"))
            .stdin(fs::File::open(message).unwrap())
            .output()
            .unwrap()
    }
}

/// All that a program said.
fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn ssh_add_lists_the_key() {
    needs!(tool("ssh-add"), tool("ssh-keygen"));
    let desk = Desk::new();
    assert_eq!(desk.ssh_add(&["-L"]), format!("{}\n", desk.key.line()));
    let print = Base64Unpadded::encode_string(&Sha256::digest(desk.key.blob()));
    let expected = format!("256 SHA256:{print} {COMMENT} (ED25519-SK)\n");
    assert_eq!(desk.ssh_add(&["-l", "-E", "sha256"]), expected);
}

#[test]
fn ssh_keygen_asks_for_the_blob_and_takes_the_signature() {
    needs!(tool("ssh-add"), tool("ssh-keygen"));
    let desk = Desk::new();
    for (flags, counter) in [(1, 0), (1, 7), (5, u32::MAX)] {
        desk.key.set(|mood| (mood.flags, mood.counter) = (flags, counter));
        desk.sign();
        assert_eq!(desk.key.asked().last(), Some(&sshsig(MESSAGE.as_bytes())));
        let verified = desk.verify("namespaces=\"knockd\" ", MESSAGE);
        assert!(verified.status.success(), "{}", said(&verified));
        let verified = desk.verify("", "another knock");
        assert!(!verified.status.success(), "{}", said(&verified));
    }
}

#[test]
fn what_was_signed_for_another_application_is_refused() {
    needs!(tool("ssh-add"), tool("ssh-keygen"));
    let desk = Desk::new();
    desk.key.set(|mood| mood.application = "ssh:work".into());
    desk.sign();
    let verified = desk.verify("", MESSAGE);
    assert!(!verified.status.success(), "{}", said(&verified));
}

// Seen with OpenSSH 9.2p1: `ssh-keygen -Y verify` reads the flags only as part
// of what was signed. It calls a signature good with flags 0, untouched, and
// with bits that mean nothing. In the file of allowed signers `verify-required`
// is no option but a mistake in the line, refused whatever the flags are. So
// its yes says nothing of a touch or an owner.
#[test]
fn ssh_keygen_leaves_touch_and_owner_to_who_asks() {
    needs!(tool("ssh-add"), tool("ssh-keygen"));
    let desk = Desk::new();
    for flags in [0, 1, 4, 5, 0x81] {
        desk.key.set(|mood| mood.flags = flags);
        desk.sign();
        let verified = desk.verify("", MESSAGE);
        assert!(verified.status.success(), "flags {flags}: {}", said(&verified));
        let verified = desk.verify("verify-required ", MESSAGE);
        assert!(!verified.status.success(), "flags {flags}: {}", said(&verified));
        assert!(said(&verified).contains("bad options"), "{}", said(&verified));
    }
}

#[test]
fn flags_and_counter_are_part_of_what_is_signed() {
    let desk = Desk::new();
    let sign = |flags, counter| {
        desk.key.set(|mood| (mood.flags, mood.counter) = (flags, counter));
        desk.key.sign(MESSAGE.as_bytes())
    };
    let (first, untouched, later) = (sign(1, 7), sign(0, 7), sign(1, 8));
    assert_eq!(first[first.len() - 5..], [1, 0, 0, 0, 7]);
    let signature = |blob: &[u8]| blob[..blob.len() - 5].to_vec();
    assert_ne!(signature(&first), signature(&untouched));
    assert_ne!(signature(&first), signature(&later));
}

#[test]
fn the_agent_ends_with_the_key() {
    let desk = Desk::new();
    let socket = PathBuf::from(desk.key.socket());
    drop(UnixStream::connect(&socket).unwrap());
    drop(desk.key);
    assert!(UnixStream::connect(&socket).is_err());
    assert!(!socket.exists());
}
