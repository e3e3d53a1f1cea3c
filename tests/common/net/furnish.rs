//! Keys and configurations for both ends, and tokens that are not sent yet.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use knockd::client::access::{Access, Random, Wish};
use knockd::client::key_files::{read_gate, read_user};
use knockd::core::time::Wall;
use knockd::core::token::Wanted;
use knockd::keep::journal;

use super::{Daemon, Lab, SERVER4, SERVER6, SPA_PORT};

/// Where marks come from: 198.18.0.0/15, which is for such tests (RFC 2544).
const MARKS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The server's name.
pub const NAME: &str = "gw1.example.org";
/// How far tokens may be off, in seconds, where a test does not say.
pub const SKEW: u64 = 30;

/// A server's configuration: where the tests' differ.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Stanzas about interfaces.
    pub interfaces: &'a str,
    /// In seconds.
    pub skew: u64,
    /// How long the doors ssh and web are open.
    pub span: &'a str,
    /// More doors.
    pub doors: &'a str,
    /// All sequences.
    pub sequences: &'a str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            interfaces: r#"interfaces: ["eth0"]"#,
            skew: SKEW,
            span: "2s",
            doors: "",
            sequences: FRONT,
        }
    }
}

/// A good sequence, which opens door web.
pub const FRONT: &str = r#"
        "front": (steps: [Tcp(7000), Udp(9000), Tcp(8000)], within: "5s", opens: ["web"]),"#;
/// One datagram to port 9 opens door web: it shows that the daemon has seen
/// all that came before.
pub const MARK: &str = r#"
        "mark": (steps: [Udp(9)], opens: ["web"], weak: Allowed, strict: false),"#;

impl Plan<'_> {
    /// Writes keys, an empty journal, a hosts.ron for the client and the
    /// configuration, whose path it returns. alice has an Ed25519 key; bob a secret; carol and dave
    /// too, but may open for what the server observes and for others.
    pub fn furnish(&self, lab: &Lab) -> PathBuf {
        lab.keygen("gate.key", &["--gate"]);
        let printed = lab.keygen("alice.key", &[]);
        let public =
            printed.split_once("Ed25519(\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let mut hosts = String::new();
        for (user, source) in
            [("alice", "Bound"), ("bob", "Bound"), ("carol", "Observed"), ("dave", "Bound")]
        {
            if user != "alice" {
                lab.keygen(&format!("{user}.key"), &["--secret"]);
            }
            for (family, address) in [(4, SERVER4), (6, SERVER6)] {
                hosts += &format!(
                    r#""{user}{family}": (address: "{address}", name: "{NAME}", port: {SPA_PORT},
                        gate_key: "../gate.key", key: "../{user}.key", source: {source}),
"#
                );
            }
        }
        lab.write("knock/hosts.ron", &format!("{{{hosts}}}"));
        lab.empty_journal();
        lab.write("knockd.ron", &self.text(&public, &lab.files.path().display().to_string()))
    }

    fn text(&self, public: &str, directory: &str) -> String {
        let Self { interfaces, skew, span, doors, sequences } = self;
        format!(
            r#"(
    name: "{NAME}",
    {interfaces},
    spa: (port: {SPA_PORT}, gate_keys: ["gate.key"], max_skew: "{skew}s"),
    firewall: Nft(table: "filter"),
    doors: {{
        "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "{span}"),
        "web": (table: "knock_web", ports: [Tcp(80)], open_for: "{span}"),{doors}
    }},
    sequences: {{{sequences}
    }},
    users: {{
        "alice": (credential: Ed25519("{public}"), doors: ["ssh"]),
        "bob": (credential: Secret("bob.key"), doors: ["ssh"]),
        "carol": (credential: Secret("carol.key"), doors: ["ssh"], source: Observed),
        "dave": (credential: Secret("dave.key"), doors: ["ssh"], source: Delegate),
    }},
    user: "nobody",
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
)"#
        )
    }
}

/// Changes a configuration, without telling the daemon.
pub fn edit(config: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(config, text.replace(from, to)).unwrap();
}

impl Lab {
    /// What the client of `user` holds.
    pub fn access(&self, user: &str) -> Access {
        Access {
            gate_key: read_gate(&self.path("gate.key")).unwrap(),
            server_name: NAME.into(),
            key: read_user(&self.path(&format!("{user}.key"))).unwrap(),
        }
    }

    /// Makes the journal one of an orderly stop: the next start accepts every
    /// fresh token.
    pub fn empty_journal(&self) {
        let _ = std::fs::remove_file(self.path("state/journal"));
        journal::create_empty(&self.path("state")).unwrap();
    }

    /// A fresh token of `user` for door ssh and an address.
    pub fn token(&self, user: &str, address: &str) -> Vec<u8> {
        token(&self.access(user), "ssh", named(address), ahead())
    }

    /// Waits until the daemon has read all that was sent to it before. Needs
    /// the sequence [`MARK`].
    pub fn mark(&self, daemon: &Daemon) {
        // Each from another address, so that each has a line of its own.
        let number = self.marks.fetch_add(1, Ordering::Relaxed);
        let source = Ipv4Addr::from_bits(MARKS.to_bits() + number);
        self.client.enter(|| {
            let socket = UdpSocket::bind((source, 0)).unwrap();
            socket.send_to(b"", (SERVER4, 9)).unwrap();
        });
        daemon.expect(&format!("door web opened for {source} "));
    }
}

/// A token that was made at `issued`.
pub fn token(access: &Access, door: &str, wanted: Wanted, issued: Wall) -> Vec<u8> {
    let ask = Wish { door: door.into(), lifetime: None };
    access.token(&ask, wanted, issued, &Random::fresh().unwrap()).unwrap()
}

/// The request for an address.
pub fn named(address: &str) -> Wanted {
    Wanted::Address(address.parse::<IpAddr>().unwrap())
}

/// Almost as far ahead of the clock as a server with the default skew allows:
/// tokens issued then are fresh for a minute.
pub fn ahead() -> Wall {
    clock() + Duration::from_secs(SKEW) - Duration::from_millis(250)
}

/// Civil time.
pub fn clock() -> Wall {
    Wall::default() + SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
