//! knockd's own anchor in the main ruleset of macOS, so that nothing of
//! /etc/pf.conf or of Apple's anchors has to be touched.
#![forbid(unsafe_code)]

use pfctl::{AnchorKind, PfCtl};

use crate::firewall::{Error, Kind};

/// The anchor's name. What stands in it is the administrator's.
pub const NAME: &str = "org.knockd";

/// Has the main ruleset call the anchor; one that does already stays as it is.
/// The call stays when the daemon ends: rules in the anchor may block, and
/// must go on to.
///
/// # Errors
/// [`Kind::System`].
pub fn hook() -> Result<(), Error> {
    let hooked = PfCtl::new().and_then(|mut pf| pf.try_add_anchor(NAME, AnchorKind::Filter));
    hooked.map_err(|error| failed("call", &error))
}

fn failed(verb: &str, error: &pfctl::Error) -> Error {
    // What the system said is the source of what the crate says.
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    let advice = format!(
        "cannot have pf {verb} anchor {NAME}, run knockd as root: {error}{}",
        source.unwrap_or_default()
    );
    Error::new(Kind::System, advice, None)
}
