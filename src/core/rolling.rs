//! Rolling sequences, which change with time. A secret determines their steps.
//!
//! Civil time is divided into periods of equal length, counted from 1970. The
//! steps of period `n` follow from HMAC-SHA3-256(secret, "knockd rolling 1" |
//! `n` in 8 bytes | block in 1 byte). Each of the blocks 0, 1, 2.. gives eight
//! numbers of 4 bytes, big-endian. Step `i` is the first port plus the `i`th
//! number modulo the number of ports. If that equals the step before, it is the
//! next port instead, or the first port after the last one.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use zeroize::Zeroizing;

use super::address;
use super::credential;
use super::hash;
use super::replay::ReplayId;
use super::sighting::{Port, Protocol};
use super::time::Wall;
use super::token::UserId;

/// The default ports of steps.
pub const PORTS: RangeInclusive<u16> = 20_000..=29_999;
/// The default number of steps.
pub const STEPS: u8 = 5;
/// The default period.
pub const PERIOD: Duration = Duration::from_secs(60);

const LABEL: &[u8] = b"knockd rolling 1";
/// Numbers in a block.
const PER_BLOCK: usize = 8;

/// A rolling sequence.
#[derive(Clone, PartialEq, Eq)]
pub struct Rolling {
    secret: Zeroizing<[u8; 32]>,
    ports: RangeInclusive<u16>,
    steps: u8,
    period: Duration,
}

impl fmt::Debug for Rolling {
    /// Shows no byte of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rolling")
    }
}

impl Rolling {
    /// A sequence of `steps` TCP ports out of `ports`, at least two, that changes
    /// every `period`: whole seconds, at least one.
    #[must_use]
    pub const fn new(
        secret: Zeroizing<[u8; 32]>,
        ports: RangeInclusive<u16>,
        steps: u8,
        period: Duration,
    ) -> Self {
        Self { secret, ports, steps, period }
    }

    /// The id that its use is recorded by.
    #[must_use]
    pub fn id(&self) -> UserId {
        hash::id("rolling", &[&*self.secret])
    }

    /// The id of a user with this secret, to find a secret with two uses.
    #[must_use]
    pub fn secret_id(&self) -> UserId {
        credential::secret::id(&self.secret)
    }

    /// The length of a period.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    fn millis(&self) -> u64 {
        self.period.as_secs().max(1).saturating_mul(1_000)
    }

    /// The number of the period that `wall` lies in.
    #[must_use]
    pub fn period_at(&self, wall: Wall) -> u64 {
        wall.as_millis() / self.millis()
    }

    /// When a period begins.
    #[must_use]
    pub fn begin(&self, period: u64) -> Wall {
        Wall::from_millis(period.saturating_mul(self.millis()))
    }

    /// The steps of a period.
    #[must_use]
    pub fn steps(&self, period: u64) -> Vec<Port> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let count = last.saturating_sub(first) + 1;
        let mut steps: Vec<Port> = Vec::with_capacity(self.steps.into());
        for number in self.numbers(period).take(self.steps.into()) {
            let mut port = first + number % count;
            if steps.last().is_some_and(|before| u32::from(before.number) == port) {
                port = if port == last { first } else { port + 1 };
            }
            let number = u16::try_from(port).unwrap_or(u16::MAX);
            steps.push(Port { protocol: Protocol::Tcp, number });
        }
        steps
    }

    fn numbers(&self, period: u64) -> impl Iterator<Item = u32> {
        (0..=u8::MAX).flat_map(move |block| {
            let bytes = hash::hmac(&self.secret, &[LABEL, &period.to_be_bytes(), &[block]]);
            let mut numbers = [0; PER_BLOCK];
            for (number, word) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
                *number = word.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            }
            numbers
        })
    }

    /// The replay id for `source` and the sequence of `period`. It counts once,
    /// whichever doors it opens. Its time of issue is the last moment in which
    /// the sequence is accepted. So once it is forgotten, no knock of that period
    /// is accepted again, even when the clock steps back; and by then no native
    /// token issued up to that moment is fresh.
    #[must_use]
    pub fn token(&self, period: u64, source: IpAddr, max_skew: Duration) -> ReplayId {
        let parts: [&[u8]; 2] = [&period.to_be_bytes(), &address::to_bytes(source)];
        let id = hash::once("knockd rolling", &parts);
        let end = self.begin(period.saturating_add(2)).as_millis();
        let issued = Wall::from_millis(end.saturating_sub(1));
        ReplayId { id, issued, expires: issued + max_skew, counter: 0 }
    }
}
