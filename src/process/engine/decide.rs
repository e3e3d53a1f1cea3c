//! Decides what to do about a frame. Without side effects.

use std::net::IpAddr;

use crate::capture::frame::sight;
use crate::core::claim::Claim;
use crate::core::gate::{Gate, Refusal, Verdict};
use crate::core::link::Link;
use crate::core::reason::Reason;
use crate::core::time::Now;

/// What to do about one frame.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Open doors.
    Open {
        /// From 1 to [`crate::core::gate::MAX_CLAIMS`].
        claims: Vec<Claim>,
        /// The packet's source.
        source: IpAddr,
    },
    /// Log or count the packet.
    Refuse {
        /// The packet's source.
        source: IpAddr,
        /// Why the gate ignores it.
        refusal: Refusal,
    },
    /// Count the frame, which has no source that could be logged.
    Drop(Reason),
}

/// Decides about one frame, captured on `interface`.
pub fn decide(gate: &mut Gate, link: Link, frame: &[u8], interface: u32, now: Now) -> Decision {
    let sighting = match sight(link, frame, interface) {
        Ok(sighting) => sighting,
        Err(reason) => return Decision::Drop(reason),
    };
    let source = sighting.source;
    match gate.judge(&sighting, now) {
        Verdict::Open(claims) => Decision::Open { claims, source },
        Verdict::Ignore(refusal) => Decision::Refuse { source, refusal },
    }
}
