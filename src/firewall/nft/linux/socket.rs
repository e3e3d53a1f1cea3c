//! Sends requests to the kernel and receives the answers.
#![forbid(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvmsg, send,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::reply::{Body, Reply, replies};

/// How long to wait for an answer. The kernel answers during the request, so an
/// answer that takes longer was lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest datagram that the kernel sends (`netlink_recvmsg` in
/// net/netlink/af_netlink.c).
const DATAGRAM: usize = 32 * 1024;

/// How long a list is requested again while it keeps changing.
const LIST_PATIENCE: Duration = Duration::from_millis(500);

/// A netlink socket to netfilter, for one request at a time.
#[derive(Debug)]
pub struct Socket {
    pub(super) fd: OwnedFd,
    sequence: u32,
    buffer: Box<[u8]>,
}

impl Socket {
    pub fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(PATIENCE.as_secs() as i64))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; DATAGRAM].into() })
    }

    /// Sends the request that `build` makes with a sequence number. Passes every
    /// object of the answer to `take`.
    ///
    /// # Errors
    /// Those of the kernel and of `take`; `EINTR` when the list changed
    /// meanwhile; [`io::ErrorKind::TimedOut`] without an answer. Then a change may
    /// have been made.
    pub fn ask(
        &mut self,
        build: impl FnOnce(u32) -> Vec<u8>,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        send(self.fd.as_raw_fd(), &build(self.sequence), MsgFlags::empty())?;
        let mut deadline = Instant::now() + PATIENCE;
        let mut answer = Answer { result: Ok(()), generation: None };
        loop {
            let length = match self.receive(deadline) {
                Ok(Some(length)) => length,
                Ok(None) => continue,
                Err(error) => return answer.result.and(Err(error)),
            };
            for reply in replies(&self.buffer[..length]) {
                match reply {
                    Ok(reply) if reply.sequence == self.sequence => {
                        deadline = Instant::now() + PATIENCE;
                        if answer.recv(&reply, &mut take) {
                            return answer.result;
                        }
                    }
                    // A late answer to an earlier request.
                    Ok(_) => {}
                    Err(error) => answer.fail(error),
                }
            }
        }
    }

    /// The objects of a list, all from one moment.
    ///
    /// # Errors
    /// As of [`Socket::ask`].
    pub fn list<T: Ord>(
        &mut self,
        build: impl Fn(u32) -> Vec<u8>,
        take: impl Fn(&[u8], &mut Vec<T>) -> io::Result<()>,
    ) -> io::Result<Vec<T>> {
        let deadline = Instant::now() + LIST_PATIENCE;
        loop {
            let mut list = Vec::new();
            let asked = self.ask(&build, |object| take(object, &mut list));
            list.sort_unstable();
            // When a hash table grows while it is listed, the kernel continues at
            // the same count in another order, without a flag: for each element
            // that comes twice, one is missing.
            let whole = list.windows(2).all(|pair| pair[0] != pair[1]);
            let changed = Err(Errno::EINTR.into());
            match asked.and_then(|()| if whole { Ok(list) } else { changed }) {
                Err(error)
                    if error.raw_os_error() == Some(Errno::EINTR as i32)
                        && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    /// Receives a datagram into the buffer. Returns its length, or `None` if it
    /// did not come from the kernel.
    fn receive(&mut self, deadline: Instant) -> io::Result<Option<usize>> {
        if Instant::now() >= deadline {
            return Err(late());
        }
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let message =
            recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut parts, None, MsgFlags::empty());
        let message = match message {
            Ok(message) => message,
            Err(Errno::EINTR) => return Ok(None),
            Err(Errno::EAGAIN) => return Err(late()),
            Err(errno) => return Err(errno.into()),
        };
        if message.address.is_none_or(|sender| sender.pid() != 0) {
            return Ok(None);
        }
        if message.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(Errno::EMSGSIZE.into());
        }
        Ok(Some(message.bytes))
    }
}

/// An answer as far as it was received. The rest is received even after a
/// failure: a list that is not read to its end keeps the socket busy.
struct Answer {
    result: io::Result<()>,
    /// The generation of the ruleset in the first object.
    generation: Option<u16>,
}

impl Answer {
    /// Takes one more reply. True if it was the last.
    fn recv(
        &mut self,
        reply: &Reply<'_>,
        take: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> bool {
        if reply.interrupted {
            self.fail(Errno::EINTR.into());
        }
        match reply.body {
            Body::End(0) => return true,
            Body::End(code) => {
                self.fail(io::Error::from_raw_os_error(code));
                return true;
            }
            Body::Object { generation, attributes } => {
                // The kernel does not flag an interrupted list of elements, but
                // every object carries the generation.
                if *self.generation.get_or_insert(generation) != generation {
                    self.fail(Errno::EINTR.into());
                }
                if self.result.is_ok() {
                    self.result = take(attributes);
                }
            }
        }
        false
    }

    /// The first failure explains the later ones.
    fn fail(&mut self, error: io::Error) {
        if self.result.is_ok() {
            self.result = Err(error);
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer from the kernel")
}
