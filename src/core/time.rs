//! Points in time on the two clocks: monotonic and wall.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Identifies this boot of the machine, and so the run of its monotonic clock.
pub type BootId = [u8; 16];

/// A point on a clock that never steps and counts time asleep, in
/// nanoseconds since an unspecified start (usually boot).
///
/// Leases and sequences use it. It holds 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(u64);

impl Monotonic {
    /// From nanoseconds since the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    /// Saturates at the clock's end.
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// A point in civil time: milliseconds since 1970-01-01 UTC. The clock may step.
///
/// Only tokens and the validity of users are judged by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(u64);

impl Wall {
    /// From milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// `self` minus `other` in milliseconds.
    #[must_use]
    pub const fn offset_from(self, other: Self) -> i64 {
        let ahead = self.0.saturating_sub(other.0);
        let behind = other.0.saturating_sub(self.0);
        if ahead > i64::MAX as u64 {
            i64::MAX
        } else if behind > i64::MAX as u64 {
            i64::MIN
        } else {
            ahead as i64 - behind as i64
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Wall {
    type Output = Self;

    /// Saturates; fractions of a millisecond are dropped.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl Sub<Duration> for Wall {
    type Output = Self;

    /// Saturates at 1970; fractions of a millisecond are dropped.
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

/// One reading of both clocks, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For spans: leases, sequences, rates.
    pub monotonic: Monotonic,
    /// For dates: tokens, validity of users.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_saturate_instead_of_wrapping() {
        let end = Monotonic::from_nanos(u64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Monotonic::default().since(end), Duration::ZERO);
        assert_eq!(Wall::from_millis(5) - Duration::from_secs(1), Wall::default());
        assert_eq!(Wall::from_millis(u64::MAX) + Duration::MAX, Wall::from_millis(u64::MAX));
    }

    #[test]
    fn offsets_carry_their_sign_to_the_ends_of_the_clock() {
        let (zero, end) = (Wall::default(), Wall::from_millis(u64::MAX));
        assert_eq!(end.offset_from(zero), i64::MAX);
        assert_eq!(zero.offset_from(end), i64::MIN);
        assert_eq!(Wall::from_millis(1_000).offset_from(Wall::from_millis(1_500)), -500);
    }
}
