//! What macOS does its own way.

use std::io;

use nix::sys::socket::MsgFlags;

pub use super::boot::boot;
pub(in crate::sys) use super::confine;
use super::sandbox;
pub use crate::sys::shared::kqueue::{SPANS, Waiter};
pub use crate::sys::shared::peer::peer;
pub use crate::sys::shared::process::{forbid_dumps, name_process, program};

/// How descriptors are received. macOS cannot be asked to close them at an
/// exec; there only the process that starts others execs, and what it receives
/// is a child's channel, which it gives away at once.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// Closes every descriptor but the three standard ones. To be called before
/// anything is opened: what is found was left open by whoever started us.
///
/// # Errors
/// None are expected.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes a number only; nobody owns a descriptor yet.
    unsafe { sandbox::closefrom(3) };
    Ok(())
}
