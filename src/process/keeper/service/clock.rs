//! Counts steps of the wall clock.

use std::time::Duration;

use crate::core::time::Now;

/// A change of the wall clock by more than this is a step, not an adjustment.
const STEP: Duration = Duration::from_secs(1);

/// Compares the wall clock with the monotonic one.
#[derive(Debug, Default)]
pub struct Clock {
    last: Option<Now>,
    /// How many steps there were.
    pub steps: u64,
}

impl Clock {
    /// Compares the time that passed on both since the last call.
    pub fn compare(&mut self, now: Now) {
        if let Some(last) = self.last.replace(now) {
            let passed = now.monotonic.since(last.monotonic);
            let offset = now.wall.offset_from(last.wall + passed);
            if u128::from(offset.unsigned_abs()) > STEP.as_millis() {
                self.steps += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::{Monotonic, Wall};

    #[test]
    fn a_step_either_way_counts_and_time_that_passes_does_not() {
        let mut clock = Clock::default();
        let mut compare = |seconds: u64, wall: u64| {
            let monotonic = Monotonic::from_nanos(seconds * 1_000_000_000);
            clock.compare(Now { monotonic, wall: Wall::from_millis(wall) });
            clock.steps
        };
        assert_eq!(compare(0, 100_000), 0);
        assert_eq!(compare(3_600, 3_700_900), 0, "adjusted a little");
        assert_eq!(compare(3_601, 99_999_000), 1);
        assert_eq!(compare(3_602, 1_000), 2);
        assert_eq!(compare(3_603, 2_000), 2);
    }
}
