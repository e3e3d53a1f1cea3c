//! One end of a stream socket between two processes of the daemon.

use std::collections::VecDeque;
use std::io::{self, Stdin};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zeroize::{Zeroize, Zeroizing};

use super::Message;
use super::packet::{LENGTH, Packet};
use crate::core::bytes::Malformed;
use crate::sys::descriptor;

/// Bytes read in one call.
const CHUNK: usize = 64 * LENGTH;
/// The most bytes queued to be sent: twice the largest configuration.
const MAX_QUEUE: usize = 2 * super::packet::MAX_BLOB;
/// The length of a parcel to which no more messages are added.
const MAX_PARCEL: usize = 1 << 15;
/// How long [`Channel::send`] waits for room each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a channel cannot be used any more.
#[derive(Debug)]
pub enum Broken {
    /// The peer closed it. An incomplete message is lost.
    Ended,
    /// The peer sent an unknown message.
    Senseless,
    /// The peer does not read its messages.
    Stuck,
    /// A system call failed.
    System(io::Error),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("it closed its channel"),
            Self::Senseless => f.write_str("it sent an unknown message"),
            Self::Stuck => f.write_str("it does not read its messages"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl From<Malformed> for Broken {
    fn from(_: Malformed) -> Self {
        Self::Senseless
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPIPE | Errno::ECONNRESET) => Self::Ended,
            _ => Self::System(error),
        }
    }
}

/// Bytes to send, and the descriptor that goes with the first of them.
struct Parcel {
    /// Whether more messages may follow: it holds no blob, and moving it leaves no
    /// copy of keys.
    is_open: bool,
    bytes: Zeroizing<Vec<u8>>,
    sent: usize,
    descriptor: Option<OwnedFd>,
}

/// One end. `S` is the socket, which is standard input in a child.
pub struct Channel<S> {
    socket: S,
    input: Zeroizing<Vec<u8>>,
    /// How many bytes of `input` were decoded.
    taken: usize,
    descriptors: VecDeque<OwnedFd>,
    max_blob: usize,
    has_ended: bool,
    output: VecDeque<Parcel>,
    /// Bytes in `output`.
    waiting: usize,
}

impl Channel<UnixStream> {
    /// Makes our end and the one that becomes a child's standard input. Our end
    /// accepts no blob longer than `max_blob`.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair(max_blob: usize) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::new(ours, max_blob), theirs.into()))
    }

    /// Makes later sends of the peer fail, so it knows which messages got lost.
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub fn shut_read(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Read)
    }
}

impl Channel<Stdin> {
    /// The end that the parent passed as standard input.
    #[must_use]
    pub fn of_child(max_blob: usize) -> Self {
        Self::new(io::stdin(), max_blob)
    }
}

impl<S: AsFd> Channel<S> {
    /// Accepts no blob longer than `max_blob`.
    #[must_use]
    pub fn new(socket: S, max_blob: usize) -> Self {
        Self {
            socket,
            input: Zeroizing::default(),
            taken: 0,
            descriptors: VecDeque::new(),
            max_blob,
            has_ended: false,
            output: VecDeque::new(),
            waiting: 0,
        }
    }

    /// Gives up the socket. Queued messages are lost.
    #[must_use]
    pub fn into_socket(self) -> S {
        self.socket
    }

    /// The next message, if a whole one has arrived. Does not wait.
    ///
    /// # Errors
    /// [`Broken`]; then the channel gives no more messages.
    pub fn recv<M: Message>(&mut self) -> Result<Option<M>, Broken> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(Some(M::decode(&packet)?));
            }
            if self.has_ended {
                return Err(Broken::Ended);
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn wait<M: Message>(&mut self) -> Result<M, Broken> {
        loop {
            if let Some(message) = self.recv()? {
                return Ok(message);
            }
            self.await_event(PollFlags::POLLIN, PollTimeout::NONE)?;
        }
    }

    /// Whether [`recv`](Self::recv) may return something although poll(2)
    /// reports nothing to read.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.input.len() - self.taken >= LENGTH || self.has_ended
    }

    /// The oldest received descriptor. It came with the last message or before.
    pub fn descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    /// Sends a message. Waits up to 5 s for room each time.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn send(
        &mut self,
        message: &impl Message,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Broken> {
        self.queue(message, descriptor)?;
        self.finish(PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX))
    }

    /// Sends messages, as many in one call as the socket takes. Waits up to 5 s for
    /// room each time.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn send_all(&mut self, messages: &[impl Message]) -> Result<(), Broken> {
        messages.iter().try_for_each(|message| self.queue(message, None))?;
        self.finish(PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX))
    }

    /// Sends all queued messages. Waits up to `patience` for room each time.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn finish(&mut self, patience: PollTimeout) -> Result<(), Broken> {
        while self.has_output() {
            self.flush()?;
            if self.has_output() && !self.await_event(PollFlags::POLLOUT, patience)? {
                return Err(Broken::Stuck);
            }
        }
        Ok(())
    }

    /// Queues a message for [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Broken::Stuck`] when the queue is full.
    pub fn queue(
        &mut self,
        message: &impl Message,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Broken> {
        let packet = message.encode();
        if self.waiting + packet.blob.len() > MAX_QUEUE {
            return Err(Broken::Stuck);
        }
        let is_open = packet.blob.is_empty();
        self.waiting += LENGTH + packet.blob.len();
        if let Some(last) = self.output.back_mut()
            && (last.is_open && is_open)
            && last.bytes.len() < MAX_PARCEL
            && descriptor.is_none()
        {
            last.bytes.extend_from_slice(&packet.record());
            return Ok(());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + packet.blob.len()));
        bytes.extend_from_slice(&packet.record());
        bytes.extend_from_slice(&packet.blob);
        self.output.push_back(Parcel { is_open, bytes, sent: 0, descriptor });
        Ok(())
    }

    /// Whether messages are queued.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Sends queued messages until the socket has no more room.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn flush(&mut self) -> Result<(), Broken> {
        while let Some(parcel) = self.output.front_mut() {
            let rest = parcel.bytes.get(parcel.sent..).unwrap_or_default();
            let descriptor = parcel.descriptor.as_ref().map(AsFd::as_fd);
            match descriptor::send(self.socket.as_fd(), rest, descriptor) {
                Ok(count) => {
                    parcel.sent += count;
                    self.waiting = self.waiting.saturating_sub(count);
                    // It was sent with the first byte.
                    parcel.descriptor = None;
                    if parcel.sent == parcel.bytes.len() {
                        self.output.pop_front();
                    }
                }
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    /// Takes a whole packet out of `input`.
    fn take(&mut self) -> Result<Option<Packet>, Broken> {
        let unread = self.input.get(self.taken..).unwrap_or_default();
        let Some((record, rest)) = unread.split_first_chunk() else { return Ok(None) };
        let (mut packet, length) = Packet::begin(record, self.max_blob)?;
        let Some(blob) = rest.get(..length) else { return Ok(None) };
        packet.blob.extend_from_slice(blob);
        self.taken += LENGTH + length;
        if self.taken == self.input.len() {
            self.input.zeroize();
            self.taken = 0;
        }
        Ok(Some(packet))
    }

    /// Reads the socket once. False when it has nothing to read.
    fn receive(&mut self) -> Result<bool, Broken> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let mut chunk = Zeroizing::new([0; CHUNK]);
        // A peer that may send no blob may send no descriptor either: it could
        // use up ours.
        let received = if self.max_blob == 0 {
            match descriptor::receive_bytes(self.socket.as_fd(), &mut *chunk) {
                Ok((_, true)) => return Err(Broken::Senseless),
                received => received.map(|(count, _)| (count, Vec::new())),
            }
        } else {
            descriptor::receive(self.socket.as_fd(), &mut *chunk)
        };
        match received {
            Ok((0, _)) => {
                self.has_ended = true;
                Ok(true)
            }
            Ok((count, descriptors)) => {
                self.input.extend_from_slice(chunk.get(..count).unwrap_or_default());
                self.descriptors.extend(descriptors);
                Ok(true)
            }
            Err(Errno::EAGAIN) => Ok(false),
            Err(Errno::EINTR) => Ok(true),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// Waits for `event`. False after `timeout`.
    fn await_event(&self, event: PollFlags, timeout: PollTimeout) -> io::Result<bool> {
        loop {
            match poll(&mut [PollFd::new(self.socket.as_fd(), event)], timeout) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<S: AsFd> AsFd for Channel<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
