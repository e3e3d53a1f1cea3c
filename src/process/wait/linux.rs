//! poll(2), and a timer on the clock that counts sleep: a deadline that
//! passes while the machine is suspended wakes us as soon as it resumes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::core::time::Monotonic;

/// The one place where the daemon sleeps.
#[derive(Debug)]
pub struct Waiter {
    timer: TimerFd,
    set_to: Option<Monotonic>,
}

impl Waiter {
    /// A waiter of its own timer.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?, set_to: None })
    }

    /// Sleeps until one of `fds` is readable or `deadline` has come. Says of
    /// each descriptor whether reading it is worth a try.
    pub fn wait(
        &mut self,
        fds: &[BorrowedFd<'_>],
        deadline: Option<Monotonic>,
    ) -> io::Result<Vec<bool>> {
        self.set(deadline)?;
        let timer = std::iter::once(self.timer.as_fd());
        let mut polled: Vec<_> = fds
            .iter()
            .copied()
            .chain(timer)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(vec![false; fds.len()]),
            Err(error) => return Err(error.into()),
        }
        polled.pop();
        // An error on a descriptor is told by reading it.
        let is_ready = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        Ok(polled.iter().map(is_ready).collect())
    }

    /// An expired timer stays readable until it is set anew.
    fn set(&mut self, deadline: Option<Monotonic>) -> io::Result<()> {
        if deadline == self.set_to {
            return Ok(());
        }
        match deadline {
            None => self.timer.unset()?,
            Some(moment) => {
                // Zero would switch the timer off.
                let span = std::time::Duration::from_nanos(moment.as_nanos().max(1));
                let at = Expiration::OneShot(TimeSpec::from_duration(span));
                self.timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
        }
        self.set_to = deadline;
        Ok(())
    }
}
