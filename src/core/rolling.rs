//! Sequences that change with time: who shares a secret knows the one of the
//! day.
//!
//! Civil time is cut into periods of equal length, counted from 1970. The
//! steps of period `n` follow from HMAC-SHA3-256(secret, "knockd rolling 1" |
//! `n` in 8 bytes | block in 1 byte), blocks 0, 1, 2.. giving eight numbers of
//! 4 bytes each, big-endian. Step `i` is the first port plus the `i`th number
//! modulo how many ports there are; where that is the step before once more, it
//! is the next port, and after the last the first.

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

/// The ports that steps are taken from unless configured.
pub const PORTS: RangeInclusive<u16> = 20_000..=29_999;
/// How many steps a sequence has unless configured.
pub const STEPS: u8 = 5;
/// How long a sequence holds unless configured.
pub const PERIOD: Duration = Duration::from_secs(60);

const LABEL: &[u8] = b"knockd rolling 1";
/// Numbers in a block.
const PER_BLOCK: usize = 8;

/// What a rolling sequence is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Rolling {
    secret: Zeroizing<[u8; 32]>,
    ports: RangeInclusive<u16>,
    steps: u8,
    period: Duration,
}

impl fmt::Debug for Rolling {
    /// No byte of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rolling")
    }
}

impl Rolling {
    /// `steps` TCP ports of `ports`, of which there must be two at least, for
    /// `period`, which is cut to whole seconds and is one at least.
    #[must_use]
    pub const fn new(
        secret: Zeroizing<[u8; 32]>,
        ports: RangeInclusive<u16>,
        steps: u8,
        period: Duration,
    ) -> Self {
        Self { secret, ports, steps, period }
    }

    /// What it is remembered by.
    #[must_use]
    pub fn id(&self) -> UserId {
        hash::id("rolling", &[&*self.secret])
    }

    /// The id that a user with this secret would have.
    #[must_use]
    pub fn secret_id(&self) -> UserId {
        credential::secret::id(&self.secret)
    }

    /// How long a sequence holds.
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

    /// What is remembered when `source` knocked the sequence of `period`: once
    /// per source and period, whatever it opens. It counts as issued in the
    /// last moment in which the sequence holds. So a store that forgot it
    /// believes no knock of that period again, even when the clock steps back;
    /// and that is forgotten only when no native token of then is fresh.
    #[must_use]
    pub fn token(&self, period: u64, source: IpAddr, max_skew: Duration) -> ReplayId {
        let parts: [&[u8]; 2] = [&period.to_be_bytes(), &address::to_bytes(source)];
        let id = hash::once("knockd rolling", &parts);
        let end = self.begin(period.saturating_add(2)).as_millis();
        let issued = Wall::from_millis(end.saturating_sub(1));
        ReplayId { id, issued, expires: issued + max_skew, counter: 0 }
    }
}
