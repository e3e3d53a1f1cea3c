//! What Linux does in its own way.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::prctl::{set_dumpable, set_name};
use nix::sys::socket::MsgFlags;
use nix::time::ClockId;

pub(in crate::sys) use super::confine;
pub use super::peer::peer;
pub use super::poll::Waiter;

/// The clock for spans. It counts the time that the machine is suspended.
pub const SPANS: ClockId = ClockId::CLOCK_BOOTTIME;

/// How descriptors are received: they are closed on exec.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);

/// Returns a number that is random at each boot (random(4)).
///
/// # Errors
/// When /proc is not mounted.
pub fn boot(_run: &Path) -> io::Result<Vec<u8>> {
    std::fs::read("/proc/sys/kernel/random/boot_id")
}

/// Closes every descriptor but the three standard ones. Call it before anything is
/// opened: these descriptors were inherited.
///
/// # Errors
/// The kernel's refusal.
pub fn close_inherited() -> io::Result<()> {
    // close_range(2), since Linux 5.9. Not every C library has it.
    // SAFETY: it takes numbers only; nothing owns a descriptor yet.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Forbids core dumps: Linux may pass a core to a program whatever the limit is.
///
/// # Errors
/// The kernel's refusal.
pub fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable(false)?)
}

/// Sets the name of the process, which is exe if it was started from [`program`].
pub fn name_process() {
    // It works without a name of its own, too.
    let _ = set_name(c"knockd");
}

/// Returns the path of the running program. It stays valid when another program is
/// installed in its place.
///
/// # Errors
/// None here.
pub fn program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}
