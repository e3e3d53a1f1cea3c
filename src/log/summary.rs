//! One line when a source is first refused, for each user and reason, and one a
//! minute while it goes on.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::core::gate::Refusal;
use crate::core::reason::{Reason, Tally};
use crate::core::time::Monotonic;
use crate::core::user::UserIndex;

/// How long refusals are summed up.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Sources followed at once among those that hold a gate key, and what is said
/// of them at once.
pub const MAX_KNOWN: usize = 32;
/// Sources followed at once among those that do not. Fewer: they can be
/// forged in any number, and must not crowd out the others.
pub const MAX_STRANGERS: usize = 8;
/// The most lines that refusals and all that is summed up cause in a window.
pub const MAX_LINES: usize = 2 * (MAX_KNOWN + MAX_STRANGERS) + 5;

/// What is not said at once, but at the end of the current window.
#[derive(Debug, Default)]
pub struct Summary {
    /// When the window ends; none while there is nothing to say.
    ends: Option<Monotonic>,
    /// What was said of those with a gate key: another reason, or another user
    /// behind the same address, is news.
    logged: HashSet<(IpAddr, UserIndex, Reason)>,
    /// What came after that, by source.
    pub known: BTreeMap<IpAddr, Tally>,
    /// The same of those without.
    pub strangers: BTreeMap<IpAddr, Tally>,
    /// Refusals of sources beyond the number that is followed.
    pub others: Tally,
    /// Packets that were lost before anyone saw them.
    pub dropped: u64,
    /// Lines that were left out.
    pub omitted: u64,
    /// Commands that were not run after the first of them; none if there was
    /// no first.
    pub commands: Option<u64>,
}

impl Summary {
    /// Notes a refusal. Whether it is the first of its kind in this window, to
    /// be said at once.
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

    /// Notes that packets were lost before anyone saw them.
    pub fn note_dropped(&mut self, packets: u64, now: Monotonic) {
        self.begin(now);
        self.dropped = self.dropped.saturating_add(packets);
    }

    /// Notes that a line was left out, for there were too many.
    pub fn note_omitted(&mut self, now: Monotonic) {
        self.begin(now);
        self.omitted = self.omitted.saturating_add(1);
    }

    /// Notes that a command was not run. Whether it is the first in this
    /// window, to be said at once.
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
