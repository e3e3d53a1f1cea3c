//! knockd's anchor in the main ruleset of macOS, so that neither /etc/pf.conf
//! nor Apple's anchors have to change.
#![forbid(unsafe_code)]

use pfctl::{AnchorKind, PfCtl};

use super::dialect::ANCHOR;
use crate::firewall::{FirewallError, FirewallErrorKind};

/// Adds a call of the anchor to the main ruleset, unless it has one. The call
/// stays when the daemon ends, so that rules in the anchor go on blocking.
///
/// # Errors
/// [`FirewallErrorKind::System`].
pub fn hook() -> Result<(), FirewallError> {
    let hooked = PfCtl::new().and_then(|mut pf| pf.try_add_anchor(ANCHOR, AnchorKind::Filter));
    hooked.map_err(|error| failed(&error))
}

fn failed(error: &pfctl::Error) -> FirewallError {
    // The error of the system is the source of the crate's.
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    let advice = format!(
        "cannot add {ANCHOR} to the main ruleset of pf, run knockd as root: {error}{}",
        source.unwrap_or_default()
    );
    FirewallError::new(FirewallErrorKind::System, advice, None)
}
