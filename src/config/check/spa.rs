//! The stanza `spa`.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::keys::Keys;
use super::shape;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw;
use crate::core::credential::secret;
use crate::core::policy;
use crate::core::token::{GateKey, UserId};
use crate::keyfile::KeyKind;

const MAX_SKEW: Duration = Duration::from_secs(30);

/// How tokens arrive.
pub struct Spa {
    /// As decisions need it.
    pub policy: Option<policy::Spa>,
    /// The ids that users would have whose secret is a gate key.
    pub gate_ids: Vec<UserId>,
}

/// Checks the stanza and reads its keys.
pub fn check(
    raw: Option<&raw::Spa>,
    at: Spot<'_>,
    name: &str,
    keys: &mut Keys,
    report: &mut Report,
) -> Spa {
    let Some(raw) = raw else { return Spa { policy: None, gate_ids: Vec::new() } };
    if raw.port == 0 {
        report.error(at.field("port"), "port 0 is no port, use 1 to 65535");
    }
    let max_skew = shape::span(
        raw.max_skew.as_deref(),
        MAX_SKEW,
        Duration::from_secs(1)..=Duration::from_secs(600),
        at.field("max_skew"),
        "max_skew",
        report,
    );
    let at = at.field("gate_keys");
    if !(1..=2).contains(&raw.gate_keys.len()) {
        report.error(at, "name one gate key, or two while clients change over, newest first");
    }
    let mut gate_keys = Vec::new();
    let mut gate_ids = Vec::new();
    for (ordinal, path) in raw.gate_keys.iter().enumerate() {
        let Some(key) = keys.read(path, KeyKind::Gate, at.item(ordinal), report) else {
            continue;
        };
        let id = secret::id(&key);
        if gate_ids.contains(&id) {
            report.error(at.item(ordinal), "this gate key is the other one again, remove it");
        }
        gate_ids.push(id);
        let key = GateKey::new(key);
        let server = key.server_id(name);
        gate_keys.push((key, server));
    }
    Spa { policy: Some(policy::Spa { port: raw.port, gate_keys, max_skew }), gate_ids }
}
