//! How long to wait before a dead process is started again.

use std::time::Duration;

use crate::core::time::Monotonic;

/// The wait after the second death in a row.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);
/// After a life of this length the next start is immediate.
const STABLE: Duration = Duration::from_secs(60);

/// No wait after the first death, then one that doubles.
#[derive(Debug, Default)]
pub struct Backoff {
    wait: Duration,
    last: Option<Monotonic>,
}

impl Backoff {
    /// Returns when to start a process again that died `now`.
    #[must_use]
    pub fn after_death(&mut self, now: Monotonic) -> Monotonic {
        let was_stable = self.last.is_none_or(|last| now.since(last) >= STABLE);
        self.wait = match (was_stable, self.wait) {
            (true, _) => Duration::ZERO,
            (false, Duration::ZERO) => FIRST,
            (false, wait) => (wait * 2).min(LONGEST),
        };
        self.last = Some(now + self.wait);
        now + self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_later_ones_wait_longer() {
        let mut backoff = Backoff::default();
        let mut now = Monotonic::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            let next = backoff.after_death(now);
            waits.push(next.since(now).as_millis());
            now = next;
        }
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        let later = now + STABLE;
        assert_eq!(backoff.after_death(later), later);
    }
}
