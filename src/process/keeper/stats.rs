//! Refusals and latencies since the keeper started.

use std::time::Duration;

use crate::core::reason::Tally;

/// Upper bounds of the classes of latency, in microseconds; slower grants are
/// in the last class, which has none.
pub const LATENCY_BOUNDS: [u64; 8] = [100, 200, 500, 1_000, 2_000, 5_000, 20_000, 100_000];

/// How claims fared.
#[derive(Debug, Default)]
pub struct Stats {
    /// Packets and claims that opened nothing, by reason.
    pub refused: Tally,
    /// Times from a packet being read to its address being in the table, by
    /// class.
    latencies: [u64; LATENCY_BOUNDS.len() + 1],
    latency_sum: Duration,
}

impl Stats {
    /// Counts a grant that took `span` from its packet on.
    pub fn note_latency(&mut self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let class = LATENCY_BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.latencies.get_mut(class) {
            *count += 1;
        }
        self.latency_sum = self.latency_sum.saturating_add(span);
    }

    /// How many grants took at most each bound, in rising order; last all of
    /// them. Counts of a class hold those before it.
    #[must_use]
    pub fn latencies(&self) -> Vec<(Option<u64>, u64)> {
        let bounds = LATENCY_BOUNDS.iter().map(|bound| Some(*bound)).chain([None]);
        let mut sum = 0;
        bounds
            .zip(self.latencies)
            .map(|(bound, count)| {
                sum += count;
                (bound, sum)
            })
            .collect()
    }

    /// The time that all grants took, together.
    #[must_use]
    pub const fn latency_sum(&self) -> Duration {
        self.latency_sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_in_its_class_and_in_all_above() {
        let mut stats = Stats::default();
        for micros in [1, 100, 101, 1_000_000] {
            stats.note_latency(Duration::from_micros(micros));
        }
        let counts: Vec<_> = stats.latencies().iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(stats.latency_sum(), Duration::from_micros(1_000_202));
    }
}
