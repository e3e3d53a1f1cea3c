//! What the daemon reports about itself, as pairs of key and value.
//!
//! A value that counts is a decimal number. A key that may repeat appears once
//! for each thing, and not at all when there is none.

/// A key that the daemon sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthKey {
    /// The key.
    pub name: &'static str,
    /// Whether it stands there any number of times, not exactly once.
    pub repeats: bool,
    /// What its value is.
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
    once("configuration", "the path of the configuration that it runs with"),
    once("fingerprint", "of that configuration's text, see `fingerprint`"),
    repeated("attached", "the name of an interface that it captures on"),
    repeated("waiting", "NAME=WHY for an interface that it waits for"),
    once("journal", "`sound`, or what is wrong with the replay journal"),
    once("journal_bytes", "its size"),
    once("journal_age", "seconds since it was made"),
    once("uncertain", "seconds for which tokens are still refused as uncertain"),
    once("lease_file", "`sound`, or what is wrong with it"),
    once("engine_restarts", "how often the engine was started anew"),
    once("keeper_restarts", "how often the keeper was started anew"),
    once("dropped", "packets that the kernel dropped before they were read"),
    once("clock_steps", "how often civil time stepped"),
    repeated("unusable", "DOOR=WHY for a door whose table cannot be used"),
];
