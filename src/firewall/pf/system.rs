//! The pf of the system that this program runs on. Nothing else of pf depends
//! on the system.
#![forbid(unsafe_code)]

use super::Abi;
use crate::firewall::FirewallError;

/// Its interface; none where there is no pf.
pub const ABI: Option<&Abi> = {
    #[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
    {
        Some(&super::freebsd::ABI)
    }
    #[cfg(all(target_os = "freebsd", target_pointer_width = "32"))]
    {
        Some(&super::freebsd32::ABI)
    }
    #[cfg(target_os = "openbsd")]
    {
        Some(&super::openbsd::ABI)
    }
    #[cfg(target_os = "macos")]
    {
        Some(&super::macos::ABI)
    }
    #[cfg(not(any(target_os = "freebsd", target_os = "openbsd", target_os = "macos")))]
    {
        None
    }
};

/// Adds a call of knockd's anchor to pf's main ruleset on macOS, where that
/// ruleset belongs to the system.
///
/// # Errors
/// [`FirewallErrorKind::System`](crate::firewall::FirewallErrorKind::System).
pub fn call_anchor() -> Result<(), FirewallError> {
    #[cfg(target_os = "macos")]
    super::anchor::hook()?;
    Ok(())
}
