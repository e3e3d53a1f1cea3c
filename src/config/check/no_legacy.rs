//! Stands in for the support of older programs in a build without it: reports
//! fields that need it.
#![forbid(unsafe_code)]

use super::keys::Keys;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration};
use crate::core::credential::Credential;
use crate::core::door::Door;
use crate::core::policy::Policy;
use crate::core::user::User;

const ABSENT: &str = "this knockd was built without the feature legacy, remove it";

/// There are no older programs.
pub struct NoLegacy;

/// Returns no ports.
pub fn ports(_: &Configuration) -> impl Iterator<Item = u16> {
    std::iter::empty()
}

/// Reports the credential.
pub fn credential(
    _: &raw::Credential,
    at: Spot<'_>,
    _: &mut Keys,
    report: &mut Report,
) -> Option<Credential> {
    report.error(at, ABSENT);
    None
}

/// Reports the stanza.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    _: &[User],
    _: &[Door],
    report: &mut Report,
) -> NoLegacy {
    if raw.legacy.is_some() {
        report.error(at.field("legacy"), ABSENT);
    }
    NoLegacy
}

/// Returns the policy unchanged.
pub fn complete(policy: Policy, _: NoLegacy) -> Policy {
    policy
}
