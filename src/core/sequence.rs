//! Per-source progress through knock sequences.

use std::time::Duration;

use super::door::DoorIndex;
use super::sighting::{FlagMask, Port};

/// The most steps that a sequence may have.
pub const MAX_STEPS: usize = 32;

/// Ordered knocks that open doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// As logs call it.
    pub name: String,
    /// 1 to [`MAX_STEPS`] ports, in order.
    pub steps: Vec<Port>,
    /// From the first knock to the last.
    pub within: Duration,
    /// Which TCP segments count as knocks.
    pub flags: FlagMask,
    /// Whether an initial SYN to a port that is no step ends the attempt.
    pub strict: bool,
    /// The doors that the last knock opens.
    pub doors: Vec<DoorIndex>,
}
