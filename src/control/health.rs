//! What the daemon reports about itself, as pairs of key and value.
//!
//! A count is a decimal number. A key that may repeat appears once for each
//! object, and is missing when there is none.

/// A key that the daemon sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthKey {
    /// The key.
    pub name: &'static str,
    /// Whether it appears any number of times instead of exactly once.
    pub repeats: bool,
    /// The description of its value.
    pub value: &'static str,
}

const fn once(name: &'static str, value: &'static str) -> HealthKey {
    HealthKey { name, repeats: false, value }
}

const fn repeated(name: &'static str, value: &'static str) -> HealthKey {
    HealthKey { name, repeats: true, value }
}

/// The value of `journal` and `lease_file` when nothing is wrong with them.
pub const SOUND: &str = "sound";

/// Every key that the daemon sends.
pub const KEYS: [HealthKey; 17] = [
    once("version", "the daemon's version, as 0.1.0"),
    once("uptime", "seconds since its start"),
    once("now", "its civil time, milliseconds since 1970-01-01 UTC"),
    once("configuration", "the path of its configuration"),
    once("fingerprint", "of the text of that configuration, see `fingerprint`"),
    repeated("attached", "the name of an interface that it captures on"),
    repeated("waiting", "NAME=WHY for an interface that it waits for"),
    once("journal", "`sound`, or what is wrong with the replay journal"),
    once("journal_bytes", "the size of the journal"),
    once("journal_age", "seconds since the journal was created"),
    once("uncertain", "seconds for which tokens are still refused as uncertain"),
    once("lease_file", "`sound`, or what is wrong with the lease file"),
    once("engine_restarts", "how often the engine was restarted"),
    once("keeper_restarts", "how often the keeper was restarted"),
    once("dropped", "packets that the kernel dropped before they were read"),
    once("clock_steps", "how often civil time stepped"),
    repeated("unusable", "DOOR=WHY for a door whose table cannot be used"),
];
