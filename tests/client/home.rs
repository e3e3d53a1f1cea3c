//! A user's home, with keys and a hosts file, and `knock` run in it.
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::modes;
use base64ct::{Base64, Encoding};
use knockd::client::key::{self, UserKey};
use knockd::core::credential::ed25519::Ed25519;
use knockd::core::credential::{Credential, secret};
use knockd::core::token::{Body, GateKey, Statement};
use tempfile::TempDir;
use zeroize::Zeroizing;

pub const GATE: [u8; 32] = [0x11; 32];
pub const SECRET: [u8; 32] = [0x22; 32];
pub const SEED: [u8; 32] = [0x33; 32];
pub const SERVER: &str = "gw1.example.org";

pub struct Home {
    root: TempDir,
}

/// What a finished program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn empty() -> Self {
        Self { root: TempDir::new().unwrap() }
    }

    /// With `gw1.gate`, `id.key` (Ed25519) and `id.secret`.
    pub fn with_keys() -> Self {
        let home = Self::empty();
        fs::create_dir_all(home.file("")).unwrap();
        home.write("gw1.gate", &key_line("knockd-gate", &GATE), 0o600);
        home.write("id.key", &key_line("knockd-ed25519", &SEED), 0o600);
        home.write("id.secret", &key_line("knockd-secret", &SECRET), 0o600);
        home
    }

    /// A path in the directory of the user's settings.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("config/knock").join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        options.open(self.file(name)).unwrap().write_all(text.as_bytes()).unwrap();
        // The umask has its say in the mode of a new file.
        modes::set_mode(self.file(name), mode);
    }

    /// Makes hosts.ron know the host `gw1` at `address`, with further fields.
    pub fn write_host(&self, address: &str, port: u16, more: &str) {
        let text = format!(
            "{{ \"gw1\": (address: {address:?}, name: {SERVER:?}, port: {port}, \
             gate_key: \"gw1.gate\", {more}) }}"
        );
        self.write("hosts.ron", &text, 0o644);
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_knock"));
        command
            .args(line.split_whitespace())
            .env("HOME", self.root.path())
            .env("XDG_CONFIG_HOME", self.root.path().join("config"))
            .current_dir(self.root.path());
        command
    }

    pub fn knock(&self, line: &str) -> Said {
        said(self.command(line).output().unwrap())
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// Asserts that it went well without a word.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!((self.code, &*self.out, &*self.err), (Some(0), "", ""));
    }
}

pub fn key_line(kind: &str, bytes: &[u8; 32]) -> String {
    format!("{kind} {}\n", Base64::encode_string(bytes))
}

/// A socket on `address` with a port of its own, that waits 10 s at most.
pub fn udp(address: &str) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Opens a token as the server does, and asserts that the user of the key
/// made it.
#[track_caller]
pub fn opened(datagram: &[u8], key: &dyn UserKey) -> Body {
    let gate_key = GateKey::new(Zeroizing::new(GATE));
    let body = gate_key.open(datagram).unwrap();
    let credential: Credential = if key.kind() == &secret::KIND {
        secret::Secret(Zeroizing::new(SECRET)).into()
    } else {
        Ed25519::new(&key::ed25519::Ed25519::new(&SEED).public()).unwrap().into()
    };
    assert_eq!(credential.id(), key.user_id());
    let statement = Statement::new(&gate_key.server_id(SERVER), &body.salt, body.claim());
    assert!(credential.check(&statement, body.proof()).is_ok());
    assert_eq!(body.decode().unwrap().user, credential.id());
    body
}
