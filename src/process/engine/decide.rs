//! Frame to sighting to verdict. It touches nothing.

use std::net::IpAddr;

use crate::capture::frame::sight;
use crate::core::claim::Claim;
use crate::core::gate::{Gate, Refusal, Verdict};
use crate::core::link::Link;
use crate::core::reason::Reason;
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

/// The gate behind the parser of frames.
#[derive(Debug)]
pub struct Decider {
    gate: Gate,
}

impl Decider {
    /// What decides by `gate`.
    #[must_use]
    pub const fn new(gate: Gate) -> Self {
        Self { gate }
    }

    /// Decides about one frame, seen on the capture point `interface`.
    pub fn decide(&mut self, link: Link, frame: &[u8], interface: u32, now: Now) -> Decision {
        let sighting = match sight(link, frame, interface) {
            Ok(sighting) => sighting,
            Err(reason) => return Decision::Drop(reason),
        };
        let source = sighting.source;
        match self.gate.judge(&sighting, now) {
            Verdict::Open(claims) => Decision::Open { claims, source },
            Verdict::Ignore(refusal) => Decision::Refuse { source, refusal },
        }
    }
}
