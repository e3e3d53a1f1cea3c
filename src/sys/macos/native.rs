//! What macOS does in its own way.

use std::io;

use nix::sys::socket::MsgFlags;

pub use super::boot::boot;
pub(in crate::sys) use super::confine;
use super::sandbox;
pub use crate::sys::shared::kqueue::{SPANS, Waiter};
pub use crate::sys::shared::peer::peer;
pub use crate::sys::shared::process::{forbid_dumps, name_process, program};

/// How descriptors are received. macOS cannot close them on exec here. Only the
/// parent starts programs, and what it receives is a child's channel, which it sends
/// on at once.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// Closes every descriptor but the three standard ones. Call it before anything is
/// opened: these descriptors were inherited.
///
/// # Errors
/// None are expected.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes a number only; nothing owns a descriptor yet.
    unsafe { sandbox::closefrom(3) };
    Ok(())
}
