//! Bytes and descriptors over a local socket (`SCM_RIGHTS`, unix(4)).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::here::RECEIVE;

/// The most descriptors that one call receives. Our messages carry one.
const MOST: usize = 4;

/// Sends some of `bytes`, without waiting, and `descriptor` with them.
/// Returns how many bytes went.
///
/// # Errors
/// `EAGAIN` when there is no room, `EPIPE` when the other end is closed.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<usize, Errno> {
    let numbers: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
    let bytes = [IoSlice::new(bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &bytes, rights, MsgFlags::MSG_DONTWAIT, None)
}

/// Receives bytes, without waiting, from a peer that may send no descriptors. The
/// kernel closes any that it sends. Returns the number of bytes, and whether there
/// were descriptors: OpenBSD does not report that, but there pledge(2) lets none of
/// our children send any. No bytes: the other end is closed.
///
/// # Errors
/// `EAGAIN` when nothing has arrived.
pub fn receive_bytes(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<(usize, bool), Errno> {
    let mut parts = [IoSliceMut::new(bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, None, RECEIVE)?;
    Ok((message.bytes, message.flags.contains(MsgFlags::MSG_CTRUNC)))
}

/// Receives bytes, without waiting, and the descriptors with them, from a peer that
/// is trusted not to send too many. No bytes: the other end is closed.
///
/// # Errors
/// `EAGAIN` when nothing has arrived; `EMFILE` when descriptors were lost because
/// we have too many.
pub fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut rights = cmsg_space!([RawFd; MOST]);
    let mut parts = [IoSliceMut::new(bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut rights), RECEIVE)?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            // SAFETY: the kernel just made these descriptors for us, and nothing
            // else owns them.
            let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
            descriptors.extend(numbers.into_iter().map(own));
        }
    }
    if message.flags.contains(MsgFlags::MSG_CTRUNC) {
        return Err(Errno::EMFILE);
    }
    Ok((message.bytes, descriptors))
}
