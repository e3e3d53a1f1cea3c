//! What FreeBSD does in its own way.

use std::io;

use nix::libc;
use nix::sys::socket::MsgFlags;

pub(in crate::sys) use super::confine;
pub use crate::sys::shared::boot::boot;
pub use crate::sys::shared::kqueue::{SPANS, Waiter};
pub use crate::sys::shared::peer::peer;
pub use crate::sys::shared::process::{forbid_dumps, name_process, program};

/// How descriptors are received: they are closed on exec.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);

/// Closes every descriptor but the three standard ones. Call it before anything is
/// opened: these descriptors were inherited.
///
/// # Errors
/// None are expected.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes a number only; nothing owns a descriptor yet.
    unsafe { libc::closefrom(3) };
    Ok(())
}
