//! sysctl(3), for what has no other name.

use std::io;
use std::ptr;

use nix::libc;

/// When the kernel booted, by civil time: the bytes of a `struct timeval`
/// (`KERN_BOOTTIME` of sysctl(2)).
///
/// # Errors
/// The system's.
#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
pub fn boot_time() -> io::Result<[u8; size_of::<libc::timeval>()]> {
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

/// The bytes of the value called `name`, at most 64.
///
/// # Errors
/// The system's.
#[cfg(target_os = "macos")]
pub fn by_name(name: &std::ffi::CStr) -> io::Result<Vec<u8>> {
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
