//! Notices changes of interfaces, addresses and routes on the BSDs and macOS,
//! and asks for the default routes: a route(4) socket does both.
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
use super::route::{self, Asker, Family};

/// A routing socket, used as a bell: what its messages say is not read, only
/// that there are some.
pub struct Watch(OwnedFd);

/// Messages taken in one go; what remains rings again.
const BUDGET: usize = 4096;
/// Longer than the kernel takes to answer.
const PATIENCE: Duration = Duration::from_millis(500);

impl Watch {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn open() -> io::Result<Self> {
        Ok(Self(routing_socket()?))
    }

    /// Readable when something changed.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Makes it silent again. Whether anything had changed: messages that the
    /// kernel could not queue (`ENOBUFS`) count.
    pub fn drain(&mut self) -> bool {
        let mut changed = false;
        for _ in 0..BUDGET {
            // A message goes as a whole, however little of it is wanted.
            match recv(self.0.as_raw_fd(), &mut [0; 16], MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS) => changed = true,
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        changed
    }
}

/// macOS takes no flags with the type: they are set behind.
fn routing_socket() -> io::Result<OwnedFd> {
    let fd = socket(AddressFamily::Route, SockType::Raw, SockFlag::empty(), None)?;
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(fd)
}

/// Names of the interfaces with a default route, each once.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn egress() -> io::Result<Vec<String>> {
    let fd = routing_socket()?;
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
