//! What the keeper gets to know of packets that open nothing: some refusals one by
//! one, the others as numbers.

use std::time::Duration;

use crate::core::gate::Refusal;
use crate::core::rate::Rate;
use crate::core::reason::{Reason, Tally};
use crate::core::time::Monotonic;

/// How many refusals are sent one by one at once: more than the log follows.
const BURST: u32 = 64;
/// How many a second after that, so that the log still names a source that keeps
/// failing.
const PER_SECOND: u32 = 100;
/// The time between two messages with numbers.
const PERIOD: Duration = Duration::from_millis(100);

/// Limits what a flood of refused packets costs the keeper.
#[derive(Debug)]
pub(super) struct Reports {
    /// Those that name a user: a stranger must not crowd them out.
    named: Rate,
    strangers: Rate,
    tally: Tally,
    /// When numbers were last sent.
    sent: Option<Monotonic>,
}

impl Default for Reports {
    fn default() -> Self {
        let rate = Rate::per_second(BURST, PER_SECOND);
        Self { named: rate, strangers: rate, tally: Tally::default(), sent: None }
    }
}

impl Reports {
    /// Whether to send `refusal` by itself. Counts it if not.
    pub fn is_single(&mut self, refusal: &Refusal, now: Monotonic) -> bool {
        let rate = if refusal.user.is_some() { &mut self.named } else { &mut self.strangers };
        let is_single = rate.admit(now);
        if !is_single {
            self.count(refusal.reason);
        }
        is_single
    }

    /// Counts a packet.
    pub fn count(&mut self, reason: Reason) {
        self.tally.count(reason);
    }

    /// When there are numbers to send; `None` if there are none.
    pub fn due(&self) -> Option<Monotonic> {
        let next = self.sent.map_or(Monotonic::default(), |sent| sent + PERIOD);
        (!self.tally.is_empty()).then_some(next)
    }

    /// Takes the numbers if they are [due](Self::due) or wanted at once.
    pub fn take(&mut self, now: Monotonic, at_once: bool) -> Tally {
        if !at_once && self.due().is_none_or(|due| due > now) {
            return Tally::default();
        }
        self.sent = Some(now);
        std::mem::take(&mut self.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::user::UserIndex;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos((1_000_000 + millis) * 1_000_000)
    }

    fn stranger() -> Refusal {
        Reason::Stranger.into()
    }

    #[test]
    fn a_flood_is_counted_after_its_first_packets() {
        let mut reports = Reports::default();
        let singles = (0..1000).filter(|_| reports.is_single(&stranger(), at(0))).count();
        assert_eq!(singles, 64);
        assert_eq!(reports.take(at(0), false).of(Reason::Stranger), 936);
    }

    #[test]
    fn strangers_do_not_crowd_out_refusals_that_name_a_user() {
        let mut reports = Reports::default();
        for _ in 0..1000 {
            let _ = reports.is_single(&stranger(), at(0));
        }
        let named = Refusal { user: Some(UserIndex(0)), ..stranger() };
        assert!(reports.is_single(&named, at(0)));
    }

    #[test]
    fn a_source_that_keeps_failing_is_named_again_and_again() {
        let mut reports = Reports::default();
        for second in 0..10 {
            let sent = (0..5000).filter(|_| reports.is_single(&stranger(), at(second * 1000)));
            assert!(sent.count() >= 64, "in second {second}");
        }
    }

    #[test]
    fn numbers_are_sent_at_once_and_then_ten_times_a_second() {
        let mut reports = Reports::default();
        assert_eq!(reports.due(), None);
        let mut sent = 0;
        for millis in 0..1000 {
            reports.count(Reason::Idle);
            if reports.due().is_some_and(|due| due <= at(millis)) {
                sent += 1;
                assert!(!reports.take(at(millis), false).is_empty());
            }
        }
        assert_eq!(sent, 10);
    }

    #[test]
    fn numbers_that_are_wanted_at_once_do_not_wait() {
        let mut reports = Reports::default();
        reports.count(Reason::Idle);
        assert!(!reports.take(at(0), false).is_empty());
        reports.count(Reason::Idle);
        assert!(reports.take(at(1), false).is_empty());
        assert_eq!(reports.take(at(1), true).of(Reason::Idle), 1);
    }
}
