//! What tells this boot of the machine from all others.

use std::io;
use std::path::Path;

use crate::core::hash;
use crate::core::time::BootId;

/// The identity of this boot. Two boots never have the same; a boot may seem
/// to be another one, which costs no more than doubts about tokens.
///
/// # Errors
/// When the system does not tell.
pub fn identity(run: &Path) -> io::Result<BootId> {
    #[cfg(feature = "faults")]
    if let Some(other) = std::env::var_os("KNOCKD_BOOT_ID") {
        return Ok(digest(&[other.as_encoded_bytes()]));
    }
    Ok(digest(&[&super::here::boot(run)?]))
}

fn digest(parts: &[&[u8]]) -> BootId {
    let (mut id, half) = ([0; 16], |label| hash::id(label, parts));
    id[..8].copy_from_slice(&half("boot"));
    id[8..].copy_from_slice(&half("boot, too"));
    id
}
