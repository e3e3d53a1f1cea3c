//! Sends tokens until the door answers.
#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket,
};

use super::ClientError;

/// How long to wait for a connection before the next try, at first. A segment that
/// arrives before the door is open is dropped, and the system repeats it late.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
/// The same at the end, for slow networks.
const LAST_PATIENCE: Duration = Duration::from_secs(4);
/// How long to wait after a try was refused.
const PAUSE: Duration = Duration::from_millis(250);

/// Sends tokens by `send` at once and each `interval`, and tries to connect to
/// all of `doors`, until one answers; `None` when none did within `timeout`.
///
/// # Errors
/// That of the first `send`, and what keeps this machine from connecting to
/// anything. Errors of later tokens go to `complain`.
pub fn until_open(
    doors: &[SocketAddr],
    timeout: Duration,
    interval: Duration,
    mut send: impl FnMut() -> Result<(), ClientError>,
    complain: impl Fn(&ClientError),
) -> Result<Option<TcpStream>, ClientError> {
    let failed =
        |error: io::Error| ClientError::new(format!("cannot wait for a connection: {error}"));
    send()?;
    // A security key may have taken its time; that is not the door's.
    let begin = Instant::now();
    let (mut deadline, mut next_token) = (begin + timeout, begin + interval);
    let mut attempts: Vec<_> = doors.iter().map(|door| Attempt::new(*door, begin)).collect();
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Ok(None);
        }
        if now >= next_token {
            // It may be gone for a moment, and the next one may leave.
            if let Err(error) = send() {
                complain(&error);
            }
            // Nor is the time of the next touch.
            deadline += now.elapsed();
            next_token = Instant::now() + interval;
        }
        // Connections that came meanwhile are checked before new tries.
        if let Some(stream) = finish(&mut attempts, Duration::ZERO).map_err(failed)? {
            return Ok(Some(stream));
        }
        for attempt in &mut attempts {
            attempt.go_on(now);
        }
        let next = attempts.iter().map(|attempt| attempt.until).min();
        let until = next.unwrap_or(deadline).min(deadline).min(next_token);
        let left = until.saturating_duration_since(now);
        if let Some(stream) = finish(&mut attempts, left).map_err(failed)? {
            return Ok(Some(stream));
        }
    }
}

/// A try to connect.
struct Attempt {
    to: SocketAddr,
    socket: Option<OwnedFd>,
    /// When to try again.
    until: Instant,
    patience: Duration,
}

impl Attempt {
    const fn new(to: SocketAddr, now: Instant) -> Self {
        Self { to, socket: None, until: now, patience: FIRST_PATIENCE }
    }

    /// Starts the next try when it is due.
    fn go_on(&mut self, now: Instant) {
        if now < self.until {
            return;
        }
        self.socket = begin(self.to).ok();
        if self.socket.is_some() {
            self.until = now + self.patience;
            self.patience = (2 * self.patience).min(LAST_PATIENCE);
        } else {
            self.until = now + PAUSE;
        }
    }

    /// The connection, if it was established.
    fn finish(&mut self, now: Instant) -> Option<TcpStream> {
        let socket = self.socket.take()?;
        let is_open = getsockopt(&socket, SocketError) == Ok(0);
        let stream = TcpStream::from(socket);
        if is_open && stream.peer_addr().is_ok() && stream.set_nonblocking(false).is_ok() {
            return Some(stream);
        }
        self.until = now + PAUSE;
        None
    }
}

fn begin(to: SocketAddr) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the first connection.
fn finish(attempts: &mut [Attempt], timeout: Duration) -> io::Result<Option<TcpStream>> {
    let ready = wait(attempts, timeout)?;
    let mut ready = attempts.iter_mut().zip(ready).filter(|(_, ready)| *ready);
    Ok(ready.find_map(|(attempt, _)| attempt.finish(Instant::now())))
}

/// The tries that succeeded or failed.
fn wait(attempts: &[Attempt], timeout: Duration) -> io::Result<Vec<bool>> {
    let sockets = attempts.iter().map(|attempt| attempt.socket.as_ref());
    let mut fds: Vec<_> = sockets
        .flatten()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLOUT))
        .collect();
    // Rounded up, or the last millisecond would be spent turning around.
    let timeout = PollTimeout::try_from(timeout + Duration::from_millis(1));
    match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
    let of = |attempt: &Attempt| attempt.socket.is_some() && ready.next().unwrap_or(false);
    Ok(attempts.iter().map(of).collect())
}
