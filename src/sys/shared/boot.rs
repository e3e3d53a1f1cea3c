//! What identifies a boot where the kernel has no random number for it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;

use nix::libc;

/// A random mark in the run directory. rc(8) empties /var/run at each boot. In
/// another directory the mark may outlive the boot, so the moment of the boot
/// counts, too; it moves when the clock steps, and then this seems to be another
/// boot.
///
/// # Errors
/// The system's.
pub fn boot(run: &Path) -> io::Result<Vec<u8>> {
    let mark = mark(&run.join("boot"))?.to_vec();
    if run.starts_with("/var/run") {
        return Ok(mark);
    }
    Ok([&boot_time()?[..], &mark].concat())
}

/// When the kernel booted, by civil time: the bytes of a `struct timeval`
/// (`KERN_BOOTTIME` of sysctl(2)).
///
/// # Errors
/// The system's.
fn boot_time() -> io::Result<[u8; size_of::<libc::timeval>()]> {
    let mut value = [0; size_of::<libc::timeval>()];
    let mut length = value.len();
    let name = [libc::CTL_KERN, libc::KERN_BOOTTIME];
    // SAFETY: `name` has the two numbers that are announced, `value` has
    // `length` writable bytes, and nothing is set.
    let result = unsafe {
        libc::sysctl(
            name.as_ptr(),
            2,
            value.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    if result == 0 && length == value.len() {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The random bytes in the file at `path`, which is made if it is missing.
fn mark(path: &Path) -> io::Result<[u8; 16]> {
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
