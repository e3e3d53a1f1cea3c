//! Limits how often something may happen.

use std::time::Duration;

use super::time::Monotonic;

/// A limit of a burst of events and one more per interval, by the generic cell
/// rate algorithm (ITU-T I.371). Its only state is the moment at which the next
/// event would be on schedule.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    interval: Duration,
    burst: u32,
    due: Monotonic,
}

impl Rate {
    /// `burst` events at once, then one per `interval`.
    #[must_use]
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { interval, burst, due: Monotonic::from_nanos(0) }
    }

    /// `burst` events at once, then `events` a second, at least one.
    #[must_use]
    pub fn per_second(burst: u32, events: u32) -> Self {
        Self::new(burst, Duration::from_secs(1) / events.max(1))
    }

    /// Whether the limit admits an event at `now`. Counts it if so.
    pub fn admit(&mut self, now: Monotonic) -> bool {
        let slack = self.interval.saturating_mul(self.burst.saturating_sub(1));
        if self.due.since(now) > slack {
            return false;
        }
        self.due = self.due.max(now) + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_burst_passes_then_one_per_interval() {
        let mut rate = Rate::new(3, Duration::from_secs(10));
        let passed = (0..5).filter(|_| rate.admit(second(100))).count();
        assert_eq!(passed, 3);
        assert!(!rate.admit(second(109)));
        assert!(rate.admit(second(110)));
        assert!(!rate.admit(second(110)));
    }

    #[test]
    fn rest_earns_no_more_than_the_burst() {
        let mut rate = Rate::new(2, Duration::from_secs(1));
        assert!(rate.admit(second(1)));
        let passed = (0..9).filter(|_| rate.admit(second(1_000))).count();
        assert_eq!(passed, 2);
    }
}
