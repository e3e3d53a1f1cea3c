//! What is left of older programs' tokens where they are not built in: to say
//! so.
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

/// Nothing.
pub struct Legacy;

/// No ports.
pub fn ports(_: &Configuration) -> impl Iterator<Item = u16> {
    std::iter::empty()
}

/// That there is no such credential here.
pub fn credential(
    _: &raw::Credential,
    at: Spot<'_>,
    _: &mut Keys,
    report: &mut Report,
) -> Option<Credential> {
    report.error(at, ABSENT);
    None
}

/// That there is no such stanza here.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    _: &[User],
    _: &[Door],
    report: &mut Report,
) -> Legacy {
    if raw.legacy.is_some() {
        report.error(at.field("legacy"), ABSENT);
    }
    Legacy
}

/// The policy as it is.
pub fn complete(policy: Policy, _: Legacy) -> Policy {
    policy
}
