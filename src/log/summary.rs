//! Sums up refusals: one line for the first of a source, user and reason, and
//! one a minute for the others.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::core::gate::Refusal;
use crate::core::reason::{Reason, Tally};
use crate::core::time::Monotonic;
use crate::core::user::UserIndex;

/// How long refusals are summed up.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The most sources with a gate key that are counted one by one, and the most
/// lines about them at once.
pub const MAX_KNOWN: usize = 32;
/// The most sources without a gate key that are counted one by one. A stranger
/// can forge any number of them, so they have a limit of their own.
pub const MAX_STRANGERS: usize = 8;
/// The most lines in a window about refusals and the other sums.
pub const MAX_LINES: usize = 2 * (MAX_KNOWN + MAX_STRANGERS) + 5;

/// What is logged at the end of the current window.
#[derive(Debug, Default)]
pub struct Summary {
    /// When the window ends; `None` while nothing is summed up.
    ends: Option<Monotonic>,
    /// Sources with a gate key that were logged at once. Another reason, or
    /// another user at the same address, is logged at once too.
    logged: HashSet<(IpAddr, UserIndex, Reason)>,
    /// Later refusals of sources with a gate key.
    pub known: BTreeMap<IpAddr, Tally>,
    /// Later refusals of sources without one.
    pub strangers: BTreeMap<IpAddr, Tally>,
    /// Refusals of sources beyond [`MAX_KNOWN`] and [`MAX_STRANGERS`], and those
    /// that came too fast to be followed.
    pub others: Tally,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// Lines about doors that were not written.
    pub omitted: u64,
    /// Commands that were not run after the first of them; `None` before that.
    pub commands: Option<u64>,
}

impl Summary {
    /// Notes a refusal. True if it is the first of its kind in this window and
    /// has to be logged at once.
    pub fn is_first(&mut self, source: IpAddr, refusal: Refusal, now: Monotonic) -> bool {
        self.begin(now);
        let Refusal { reason, user, .. } = refusal;
        let (sources, room) = match user {
            Some(_) => (&mut self.known, MAX_KNOWN),
            None => (&mut self.strangers, MAX_STRANGERS),
        };
        let is_new = !sources.contains_key(&source);
        if is_new && sources.len() >= room {
            self.others.count(reason);
            return false;
        }
        let tally = sources.entry(source).or_default();
        let is_first = match user {
            None => is_new,
            Some(user) => {
                self.logged.len() < MAX_KNOWN && self.logged.insert((source, user, reason))
            }
        };
        if !is_first {
            tally.count(reason);
        }
        is_first
    }

    /// Notes refusals whose sources are not known.
    pub fn note_others(&mut self, reason: Reason, times: u64, now: Monotonic) {
        self.begin(now);
        self.others.add(reason, times);
    }

    /// Notes packets that the kernel dropped.
    pub fn note_dropped(&mut self, packets: u64, now: Monotonic) {
        self.begin(now);
        self.dropped = self.dropped.saturating_add(packets);
    }

    /// Notes that a line about a door was not written.
    pub fn note_omitted(&mut self, now: Monotonic) {
        self.begin(now);
        self.omitted = self.omitted.saturating_add(1);
    }

    /// Notes that a command was not run. True if it is the first in this window
    /// and has to be logged at once.
    pub fn is_first_command(&mut self, now: Monotonic) -> bool {
        self.begin(now);
        let before = self.commands;
        self.commands = Some(before.map_or(0, |count| count.saturating_add(1)));
        before.is_none()
    }

    fn begin(&mut self, now: Monotonic) {
        self.ends.get_or_insert(now + WINDOW);
    }

    /// When the window ends.
    #[must_use]
    pub const fn ends(&self) -> Option<Monotonic> {
        self.ends
    }
}
