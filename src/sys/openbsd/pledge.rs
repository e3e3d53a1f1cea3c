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

/// Promises to make no other calls than these.
///
/// # Errors
/// `EINVAL` for an unknown promise.
pub fn pledge(promises: &CStr) -> io::Result<()> {
    // SAFETY: the kernel reads a string that ends; null leaves what comes
    // after an exec as it is.
    check(unsafe { libc::pledge(promises.as_ptr(), ptr::null()) })
}

/// Lets `path` be seen, and all below it; once this was called, nothing else
/// is.
///
/// # Errors
/// `ENOENT` when the directory that it is in is not there, `E2BIG` when there
/// are too many.
pub fn unveil(path: &Path, permissions: &CStr) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads two strings that end.
    check(unsafe { libc::unveil(path.as_ptr(), permissions.as_ptr()) })
}

/// Lets no more paths be seen.
///
/// # Errors
/// None are expected.
pub fn lock_unveil() -> io::Result<()> {
    // SAFETY: two nulls are how to say so.
    check(unsafe { libc::unveil(ptr::null(), ptr::null()) })
}
