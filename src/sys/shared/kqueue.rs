//! kqueue(2) of OpenBSD, FreeBSD and macOS. poll(2) of macOS does not work with
//! devices such as bpf.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::time::TimeSpec;
use nix::time::ClockId;

use crate::core::time::Monotonic;
use crate::sys;
use crate::sys::here::confine::limit_queue;
use crate::sys::wait::{Ready, Wish};

/// The clock for spans. `CLOCK_MONOTONIC` counts the time asleep on macOS, and
/// on the BSDs as far as their suspend keeps the timecounter.
pub const SPANS: ClockId = ClockId::CLOCK_MONOTONIC;

/// The longest sleep before a deadline. The kernel's timers stop while the machine
/// is suspended, so a deadline that passed meanwhile is noticed this much later.
/// Without a deadline, the sleep has no limit.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Waits for descriptors and deadlines. The daemon sleeps nowhere else.
#[derive(Debug)]
pub struct Waiter {
    queue: Kqueue,
}

impl Waiter {
    /// Creates a waiter with a queue of its own.
    pub fn new() -> io::Result<Self> {
        let queue = Kqueue::new()?;
        limit_queue(queue.as_fd())?;
        Ok(Self { queue })
    }

    /// Sleeps until one of `wishes` is ready or `deadline` has passed. Returns those
    /// that are ready, in their order.
    pub fn wait<W: Copy>(
        &mut self,
        wishes: &[Wish<'_, W>],
        deadline: Option<Monotonic>,
    ) -> io::Result<Vec<Ready<W>>> {
        // One shot: nothing remains in the queue for a descriptor that is closed
        // and whose number is used again.
        let flags = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
        let mut changes = Vec::with_capacity(2 * wishes.len());
        for (place, wish) in (0..).zip(wishes) {
            changes.push(event(place, wish, EventFilter::EVFILT_READ, flags));
            let flags = if wish.write { flags } else { continue };
            changes.push(event(place, wish, EventFilter::EVFILT_WRITE, flags));
        }
        let mut events = changes.clone();
        let unready = |wish: &Wish<'_, W>| Ready { who: wish.who, read: false, write: false };
        let mut ready: Vec<_> = wishes.iter().map(unready).collect();
        let count = match self.queue.kevent(&changes, &mut events, timeout(deadline)?) {
            Ok(count) => count,
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        for event in events.iter().take(count) {
            let place = usize::try_from(event.udata()).ok();
            let Some(slot) = place.and_then(|place| ready.get_mut(place)) else { continue };
            if matches!(event.filter(), Ok(EventFilter::EVFILT_WRITE)) {
                slot.write = true;
            } else {
                slot.read = true;
            }
        }
        ready.retain(|ready| ready.read || ready.write);
        Ok(ready)
    }
}

fn event<W>(place: isize, wish: &Wish<'_, W>, filter: EventFilter, flags: EvFlags) -> KEvent {
    let ident = wish.fd.as_raw_fd().unsigned_abs() as usize;
    KEvent::new(ident, filter, flags, FilterFlag::empty(), 0, place)
}

fn timeout(deadline: Option<Monotonic>) -> io::Result<Option<timespec>> {
    let Some(deadline) = deadline else { return Ok(None) };
    let span = deadline.since(sys::now()?.monotonic).min(LONGEST_SLEEP);
    Ok(Some(*TimeSpec::from_duration(span).as_ref()))
}
