//! Calls that only confinement makes and that have no safe wrapper.

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "openbsd")]
mod openbsd;

use std::io;

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
use nix::libc;

/// Closes every descriptor but the three standard ones. To be called before
/// anything is opened: what is found was left open by whoever started us.
///
/// # Errors
/// The kernel's refusal.
#[cfg(target_os = "linux")]
pub fn close_inherited() -> io::Result<()> {
    // Not every C library wraps it (close_range(2), since Linux 5.9).
    // SAFETY: it takes numbers only; nobody owns a descriptor yet.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor but the three standard ones. To be called before
/// anything is opened: what is found was left open by whoever started us.
///
/// # Errors
/// None are expected.
#[cfg(not(target_os = "linux"))]
pub fn close_inherited() -> io::Result<()> {
    #[cfg(target_os = "freebsd")]
    use libc::closefrom;
    // SAFETY: it takes a number only; nobody owns a descriptor yet.
    unsafe { closefrom(3) };
    Ok(())
}

#[cfg(target_os = "freebsd")]
pub use freebsd::*;
#[cfg(target_os = "macos")]
pub use macos::*;
#[cfg(target_os = "openbsd")]
pub use openbsd::*;
