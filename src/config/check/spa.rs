//! The stanza `spa`.
#![forbid(unsafe_code)]

use super::keys::Keys;
use super::shape;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw;
use crate::core::credential::secret;
use crate::core::policy;
use crate::core::token::{GateKey, UserId};
use crate::keyfile::KeyKind;

/// The stanza after its check.
pub struct CheckedSpa {
    /// The part for the policy.
    pub policy: Option<policy::Spa>,
    /// The user ids of the gate keys, if they were used as secrets of users.
    pub gate_ids: Vec<UserId>,
}

/// Checks the stanza and reads its keys.
pub fn check(
    raw: Option<&raw::Spa>,
    at: Spot<'_>,
    name: &str,
    keys: &mut Keys,
    report: &mut Report,
) -> CheckedSpa {
    let Some(raw) = raw else { return CheckedSpa { policy: None, gate_ids: Vec::new() } };
    shape::port(raw.port, at.field("port"), report);
    let max_skew = shape::max_skew(raw.max_skew.as_deref(), at, report);
    let at = at.field("gate_keys");
    if !(1..=2).contains(&raw.gate_keys.len()) {
        report.error(at, "name one gate key, or two during a rotation, newest first");
    }
    let mut gate_keys = Vec::new();
    let mut gate_ids = Vec::new();
    for (ordinal, path) in raw.gate_keys.iter().enumerate() {
        let Some(key) = keys.read(path, KeyKind::Gate, at.item(ordinal), report) else {
            continue;
        };
        let id = secret::id(&key);
        if gate_ids.contains(&id) {
            report.error(at.item(ordinal), "this gate key appears twice, remove one");
        }
        gate_ids.push(id);
        let key = GateKey::new(key);
        let server = key.server_id(name);
        gate_keys.push((key, server));
    }
    CheckedSpa { policy: Some(policy::Spa { port: raw.port, gate_keys, max_skew }), gate_ids }
}
