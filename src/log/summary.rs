//! One line when a source is first refused, one a minute while it goes on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Log;
use super::event::{Event, is_noise};
use crate::core::gate::Refusal;
use crate::core::reason::{Reason, Tally};
use crate::core::time::Monotonic;

/// How long refusals are summed up.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Sources followed at once among those that hold a gate key.
pub const MAX_KNOWN: usize = 32;
/// Sources followed at once among those that do not. Fewer: they can be
/// forged in any number, and must not crowd out the others.
pub const MAX_STRANGERS: usize = 8;
/// The most lines that refusals cause in a window.
pub const MAX_LINES: usize = 2 * (MAX_KNOWN + MAX_STRANGERS) + 3;

/// What is not said at once, but at the end of the current window.
#[derive(Debug, Default)]
pub struct Summary {
    /// When the window ends; none while nothing was refused.
    ends: Option<Monotonic>,
    known: BTreeMap<IpAddr, Tally>,
    strangers: BTreeMap<IpAddr, Tally>,
    others: Tally,
    dropped: u64,
    unsaid: u64,
}

impl Summary {
    /// Notes a refusal, and says it if it is the source's first in this
    /// window. `user` is the name that goes with the refusal's user.
    pub fn note(
        &mut self,
        source: IpAddr,
        refusal: Refusal,
        user: Option<&str>,
        now: Monotonic,
        log: &mut Log,
    ) {
        if is_noise(refusal.reason) && !log.is_verbose() {
            return;
        }
        self.ends.get_or_insert(now + WINDOW);
        let (sources, room) = match refusal.user {
            Some(_) => (&mut self.known, MAX_KNOWN),
            None => (&mut self.strangers, MAX_STRANGERS),
        };
        if let Some(tally) = sources.get_mut(&source) {
            tally.count(refusal.reason);
        } else if sources.len() < room {
            sources.insert(source, Tally::default());
            log.say(&Event::Refused { source, user, refusal });
        } else {
            self.others.count(refusal.reason);
        }
    }

    /// Notes that packets were lost before anyone saw them.
    pub fn note_dropped(&mut self, packets: u64, now: Monotonic) {
        self.ends.get_or_insert(now + WINDOW);
        self.dropped = self.dropped.saturating_add(packets);
    }

    /// Notes that a line was left out, for there were too many.
    pub fn note_unsaid(&mut self, now: Monotonic) {
        self.ends.get_or_insert(now + WINDOW);
        self.unsaid = self.unsaid.saturating_add(1);
    }

    /// Says the sums of a window that is over.
    pub fn tick(&mut self, now: Monotonic, log: &mut Log) {
        if self.ends.is_none_or(|end| now < end) {
            return;
        }
        let done = std::mem::take(self);
        for (source, tally) in done.known.iter().chain(&done.strangers) {
            let reasons = nonzero(tally);
            if !reasons.is_empty() {
                log.say(&Event::RefusedAgain { source: *source, reasons: &reasons });
            }
        }
        let reasons = nonzero(&done.others);
        if !reasons.is_empty() {
            log.say(&Event::RefusedOthers { reasons: &reasons });
        }
        if done.dropped > 0 {
            log.say(&Event::Dropped { packets: done.dropped });
        }
        if done.unsaid > 0 {
            log.say(&Event::Unsaid { lines: done.unsaid });
        }
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Monotonic> {
        self.ends
    }
}

fn nonzero(tally: &Tally) -> Vec<(Reason, u64)> {
    let counted = Reason::ALL.iter().map(|reason| (*reason, tally.of(*reason)));
    counted.filter(|(_, times)| *times != 0).collect()
}
