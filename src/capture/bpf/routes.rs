//! route(4) sockets on the BSDs and macOS: they report changes, and the default
//! routes.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socket};

use super::native::ABI;
use super::route::{self, Asker};
use crate::core::address::Family;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Returns a route(4) socket that the kernel reports changes to, and answers on.
///
/// # Errors
/// When it cannot be opened.
pub fn watch_socket() -> io::Result<OwnedFd> {
    // macOS takes no flags together with the type.
    let fd = socket(AddressFamily::Route, SockType::Raw, SockFlag::empty(), None)?;
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(fd)
}

/// Whether a message, or its start, reports a change. The kernel sends everybody's
/// questions to everybody, ours too: whoever asks after each would never rest.
#[must_use]
pub fn is_change(message: &[u8]) -> bool {
    !route::is_question(&ABI, message)
}

/// Returns the names of the interfaces of the default routes, each once: one of
/// each family, the one that the kernel prefers.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn egress() -> io::Result<Vec<String>> {
    let fd = watch_socket()?;
    let mut names = Vec::new();
    for (sequence, family) in [(1, Family::V4), (2, Family::V6)] {
        let asker = Asker { process: std::process::id(), sequence };
        if let Some(index) = ask(fd.as_fd(), family, asker)? {
            names.extend(if_indextoname(index)?.into_string().ok());
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn ask(fd: BorrowedFd<'_>, family: Family, asker: Asker) -> io::Result<Option<u32>> {
    let question = route::question(&ABI, family, asker);
    match send(fd.as_raw_fd(), &question, MsgFlags::empty()) {
        // No such route, or a kernel without the family.
        Err(Errno::ESRCH | Errno::EAFNOSUPPORT | Errno::ENETUNREACH) => return Ok(None),
        sent => sent?,
    };
    let end = Instant::now() + PATIENCE;
    let mut message = [0; 2048];
    loop {
        match recv(fd.as_raw_fd(), &mut message, MsgFlags::empty()) {
            Ok(length) => {
                let message = message.get(..length).unwrap_or_default();
                if let Some(index) = route::answer(&ABI, message, asker) {
                    return Ok(index);
                }
            }
            Err(Errno::EINTR | Errno::ENOBUFS) => {}
            Err(Errno::EAGAIN) => wait(fd, end)?,
            Err(error) => return Err(error.into()),
        }
    }
}

fn wait(fd: BorrowedFd<'_>, end: Instant) -> io::Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
