//! pledge(2) and unveil(2).

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::libc;

unsafe extern "C" {
    /// closefrom(2)
    pub fn closefrom(descriptor: c_int) -> c_int;
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Promises to make only these system calls.
///
/// # Errors
/// `EINVAL` for an unknown promise.
pub fn pledge(promises: &CStr) -> io::Result<()> {
    // SAFETY: the kernel reads a string that ends with a zero byte; null leaves the
    // promises after an exec as they are.
    check(unsafe { libc::pledge(promises.as_ptr(), ptr::null()) })
}

/// Makes `path` and all below it visible. After the first call, nothing else is.
///
/// # Errors
/// `ENOENT` when its directory does not exist, `E2BIG` when there are too many.
pub fn unveil(path: &Path, permissions: &CStr) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads two strings that end with a zero byte.
    check(unsafe { libc::unveil(path.as_ptr(), permissions.as_ptr()) })
}

/// Forbids further calls of [`unveil`].
///
/// # Errors
/// None are expected.
pub fn lock_unveil() -> io::Result<()> {
    // SAFETY: two nulls mean that, by unveil(2).
    check(unsafe { libc::unveil(ptr::null(), ptr::null()) })
}
