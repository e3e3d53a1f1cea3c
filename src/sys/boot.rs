//! What tells this boot of the machine from all others.

use std::io;
use std::path::Path;

use crate::core::hash;
use crate::core::time::BootId;

/// The identity of this boot. Two boots never have the same; a boot may seem
/// to be another one, which costs no more than doubts about tokens.
///
/// # Errors
/// When the system has none.
pub fn identity(run: &Path) -> io::Result<BootId> {
    let boot = super::here::boot(run)?;
    let (mut id, half) = ([0; 16], |label| hash::id(label, &[&boot]));
    id[..8].copy_from_slice(&half("boot"));
    id[8..].copy_from_slice(&half("boot, too"));
    Ok(id)
}
