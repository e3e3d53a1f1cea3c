//! What Linux does its own way.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::prctl::{set_dumpable, set_name};
use nix::sys::socket::MsgFlags;
use nix::time::ClockId;

pub(in crate::sys) use super::confine;
pub use super::peer::peer;
pub use super::poll::Waiter;

/// The clock for spans: it counts the time asleep.
pub const SPANS: ClockId = ClockId::CLOCK_BOOTTIME;

/// How descriptors are received: none outlives an exec.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);

/// Random at each boot (random(4)).
///
/// # Errors
/// When /proc is not mounted.
pub fn boot(_run: &Path) -> io::Result<Vec<u8>> {
    std::fs::read("/proc/sys/kernel/random/boot_id")
}

/// Closes every descriptor but the three standard ones. To be called before
/// anything is opened: what is found was left open by whoever started us.
///
/// # Errors
/// The kernel's refusal.
pub fn close_inherited() -> io::Result<()> {
    // Not every C library wraps it (close_range(2), since Linux 5.9).
    // SAFETY: it takes numbers only; nobody owns a descriptor yet.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Linux hands a core to a program whatever the limit, unless forbidden here.
///
/// # Errors
/// The kernel's refusal.
pub fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable(false)?)
}

/// A process that was started from [`program`] would be called exe.
pub fn name_process() {
    // Without a name of its own it works, too.
    let _ = set_name(c"knockd");
}

/// The program that runs; it stays the same when another is installed in its
/// place.
///
/// # Errors
/// None here.
pub fn program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}
