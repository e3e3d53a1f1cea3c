//! The types that RON reads the configuration into, before it is checked.
//!
//! They cannot be printed: someone may have written a key where a name belongs.
#![forbid(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::core::door::OnClose;
use crate::core::policy::OnRemove;
use crate::core::user::SourcePolicy;
use crate::firewall::Choice;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    pub name: String,
    pub interfaces: Option<Vec<String>>,
    #[serde(default)]
    pub required_interfaces: Vec<String>,
    pub spa: Option<Spa>,
    pub legacy: Option<Legacy>,
    pub firewall: Option<Choice>,
    #[serde(default)]
    pub create_tables: bool,
    #[serde(default)]
    pub enable_pf: bool,
    pub doors: Map<Door>,
    #[serde(default)]
    pub sequences: Map<Sequence>,
    #[serde(default)]
    pub users: Map<User>,
    #[serde(default)]
    pub loopback: Permission,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub directories: Directories,
    #[serde(default)]
    pub on_remove: OnRemove,
    pub user: Option<String>,
    pub runner: Option<Runner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    pub user: String,
    pub time_limit: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spa {
    pub port: u16,
    pub gate_keys: Vec<String>,
    pub max_skew: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "legacy"), allow(dead_code, reason = "only reported as absent"))]
pub struct Legacy {
    pub fwknop_port: Option<u16>,
    pub pyknock_port: Option<u16>,
    pub max_skew: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    pub table: String,
    pub anchor: Option<String>,
    #[serde(default)]
    pub ports: Vec<Port>,
    pub open_for: Option<String>,
    pub max_open_for: Option<String>,
    pub max_leases: Option<u32>,
    #[serde(default)]
    pub on_close: OnClose,
    #[serde(default)]
    pub rdomain: u16,
    pub v4_prefix: Option<u8>,
    pub v6_prefix: Option<u8>,
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default)]
    pub commands: Commands,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    pub on_open: Option<Vec<String>>,
    pub on_close: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub enum Port {
    Tcp(u16),
    Udp(u16),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub steps: Option<Vec<Port>>,
    pub changing: Option<Changing>,
    pub within: Option<String>,
    pub opens: Vec<String>,
    #[serde(default = "yes")]
    pub strict: bool,
    #[serde(default)]
    pub weak: Permission,
    pub flags: Option<Flags>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Changing {
    OneTime(String),
    Rolling {
        secret: String,
        ports: Option<(u16, u16)>,
        steps: Option<u8>,
        period: Option<String>,
    },
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    #[serde(default)]
    pub set: Vec<Flag>,
    #[serde(default)]
    pub clear: Vec<Flag>,
}

#[derive(Deserialize, Clone, Copy)]
pub enum Flag {
    Fin,
    Syn,
    Rst,
    Psh,
    Ack,
    Urg,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub credential: Credential,
    pub doors: Vec<String>,
    #[serde(default)]
    pub source: SourcePolicy,
    #[serde(default)]
    pub networks: Vec<String>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
    pub max_open_for: Option<String>,
    pub max_leases: Option<u32>,
    pub proofs_per_second: Option<u32>,
    #[serde(default)]
    pub note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "legacy"), allow(dead_code, reason = "only reported as absent"))]
pub enum Credential {
    Secret(String),
    Ed25519(String),
    AuthorizedKey(String),
    AuthorizedKeys(String),
    Fwknop {
        keys: String,
        #[serde(default)]
        hmac: Hmac,
        #[serde(default)]
        legacy_digests: bool,
    },
    Pyknock(String),
}

#[derive(Deserialize, Clone, Copy, Default)]
#[cfg_attr(not(feature = "legacy"), allow(dead_code, reason = "only reported as absent"))]
pub enum Hmac {
    Md5,
    Sha1,
    #[default]
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_512,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
pub enum Permission {
    #[default]
    Refused,
    Allowed,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub max_leases: Option<u32>,
    pub max_attempts: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Directories {
    pub secrets: Option<String>,
    pub state: Option<String>,
    pub run: Option<String>,
}

/// A map with all entries in the order of the file, also those with the same key.
pub struct Map<T>(pub Vec<(String, T)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Map<T> {
    /// Returns the entries with their ordinals.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &str, &T)> {
        self.0
            .iter()
            .enumerate()
            .map(|(ordinal, (name, value))| (ordinal, name.as_str(), value))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Map<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entries with names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Map(entries))
    }
}
