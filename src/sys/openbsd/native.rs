//! What OpenBSD does its own way.

use std::io;

use nix::sys::socket::MsgFlags;

pub(in crate::sys) use super::confine;
use super::pledge;
pub use crate::sys::shared::boot::boot;
pub use crate::sys::shared::kqueue::{SPANS, Waiter};
pub use crate::sys::shared::peer::peer;
pub use crate::sys::shared::process::{forbid_dumps, name_process, program};

/// How descriptors are received: none outlives an exec.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);

/// Closes every descriptor but the three standard ones. To be called before
/// anything is opened: what is found was left open by whoever started us.
///
/// # Errors
/// None are expected.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes a number only; nobody owns a descriptor yet.
    unsafe { pledge::closefrom(3) };
    Ok(())
}
