//! Meets the packets: frame to sighting to verdict. It touches nothing.

use std::net::IpAddr;

use crate::capture::Link;
use crate::capture::frame::sight;
use crate::core::gate::{Claim, Gate, Refusal, Verdict};
use crate::core::reason::{Reason, Tally};
use crate::core::time::Now;

/// What comes of one frame.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Open these doors; never empty.
    Open {
        /// At most [`crate::core::gate::MAX_CLAIMS`].
        claims: Vec<Claim>,
        /// Where the packet came from.
        source: IpAddr,
    },
    /// Nothing to do but to say so, to the one who asks.
    Refuse {
        /// Where the packet came from.
        source: IpAddr,
        /// Why.
        refusal: Refusal,
    },
    /// No packet that anybody could be told about.
    Drop(Reason),
}

/// The gate and its counters.
#[derive(Debug)]
pub struct Engine {
    gate: Gate,
    tally: Tally,
}

impl Engine {
    /// An engine around `gate`.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self { gate, tally: Tally::default() }
    }

    /// Decides about one frame, seen on the capture point `interface`.
    pub fn decide(&mut self, link: Link, frame: &[u8], interface: u32, now: Now) -> Decision {
        let sighting = match sight(link, frame, interface) {
            Ok(sighting) => sighting,
            Err(reason) => {
                self.tally.count(reason);
                return Decision::Drop(reason);
            }
        };
        let source = sighting.source;
        match self.gate.judge(&sighting, now) {
            Verdict::Open(claims) => Decision::Open { claims, source },
            Verdict::Ignore(refusal) => {
                self.tally.count(refusal.reason);
                Decision::Refuse { source, refusal }
            }
        }
    }

    /// How often each reason was met.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}
