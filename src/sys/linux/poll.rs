//! poll(2), and a timer on the clock that counts sleep: a deadline that
//! passes while the machine is suspended wakes us as soon as it resumes.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::core::time::Monotonic;
use crate::sys::wait::{Ready, Wish};

/// Waits for descriptors and deadlines. The daemon sleeps nowhere else.
#[derive(Debug)]
pub struct Waiter {
    timer: TimerFd,
    set_to: Option<Monotonic>,
}

impl Waiter {
    /// Creates a waiter with a timer of its own.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?, set_to: None })
    }

    /// Sleeps until one of `wishes` is ready or `deadline` has passed. Returns those
    /// that are ready, in their order.
    pub fn wait<W: Copy>(
        &mut self,
        wishes: &[Wish<'_, W>],
        deadline: Option<Monotonic>,
    ) -> io::Result<Vec<Ready<W>>> {
        self.set(deadline)?;
        let flags = |wish: &Wish<'_, W>| {
            if wish.write { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN }
        };
        let mut polled: Vec<_> =
            wishes.iter().map(|wish| PollFd::new(wish.fd, flags(wish))).collect();
        polled.push(PollFd::new(self.timer.as_fd(), PollFlags::POLLIN));
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = wishes.iter().zip(&polled).map(|(wish, fd)| ready(wish.who, fd));
        Ok(ready.filter(|ready| ready.read || ready.write).collect())
    }

    /// An expired timer stays readable until it is set again.
    fn set(&mut self, deadline: Option<Monotonic>) -> io::Result<()> {
        if deadline == self.set_to {
            return Ok(());
        }
        match deadline {
            None => self.timer.unset()?,
            Some(moment) => {
                // Zero would disarm the timer.
                let span = Duration::from_nanos(moment.as_nanos().max(1));
                let at = Expiration::OneShot(TimeSpec::from_duration(span));
                self.timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
        }
        self.set_to = deadline;
        Ok(())
    }
}

/// An error on a descriptor is found by reading it.
fn ready<W>(who: W, fd: &PollFd<'_>) -> Ready<W> {
    let events = fd.revents().unwrap_or(PollFlags::POLLERR);
    let write = events.contains(PollFlags::POLLOUT);
    Ready { who, read: !events.difference(PollFlags::POLLOUT).is_empty(), write }
}
