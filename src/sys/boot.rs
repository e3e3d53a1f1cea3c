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
    system(run)
}

/// Random at each boot (random(4)).
#[cfg(target_os = "linux")]
fn system(_run: &Path) -> io::Result<BootId> {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id")?;
    Ok(digest(&[&id]))
}

/// Random at each boot (`kern.bootsessionuuid`).
#[cfg(target_os = "macos")]
fn system(_run: &Path) -> io::Result<BootId> {
    Ok(digest(&[&super::sysctl::by_name(c"kern.bootsessionuuid")?]))
}

/// The moment of the boot, and a random mark in the run directory, which rc(8)
/// empties at each boot. The moment moves when the clock steps: then this
/// seems to be another boot. A machine without a clock of its own may boot at
/// the same moment every time: then the mark tells.
#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
fn system(run: &Path) -> io::Result<BootId> {
    let moment = super::sysctl::boot_time()?;
    Ok(digest(&[&moment, &mark(&run.join("boot"))?]))
}

/// The random bytes in the file at `path`, which is made if it is missing.
#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
fn mark(path: &Path) -> io::Result<[u8; 16]> {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    match fs::read(path) {
        Ok(bytes) => {
            if let Ok(mark) = bytes.try_into() {
                return Ok(mark);
            }
            // Half written when somebody pulled the plug.
            fs::remove_file(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut mark = [0; 16];
    getrandom::fill(&mut mark).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(&mark)?;
    Ok(mark)
}

fn digest(parts: &[&[u8]]) -> BootId {
    let (mut id, half) = ([0; 16], |label| hash::id(label, parts));
    id[..8].copy_from_slice(&half("boot"));
    id[8..].copy_from_slice(&half("boot, too"));
    id
}
