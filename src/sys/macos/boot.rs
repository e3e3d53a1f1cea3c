//! The identity of a boot.

use std::ffi::CStr;
use std::io;
use std::path::Path;
use std::ptr;

use nix::libc;

/// Returns bytes that are random at each boot (`kern.bootsessionuuid`).
///
/// # Errors
/// The system's.
pub fn boot(_run: &Path) -> io::Result<Vec<u8>> {
    by_name(c"kern.bootsessionuuid")
}

/// Returns the bytes of the value called `name`, at most 64.
///
/// # Errors
/// The system's.
fn by_name(name: &CStr) -> io::Result<Vec<u8>> {
    let mut value = vec![0_u8; 64];
    let mut length = value.len();
    // SAFETY: `name` ends with a zero byte, `value` has `length` writable
    // bytes, and nothing is set.
    let result = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    value.truncate(length);
    Ok(value)
}
