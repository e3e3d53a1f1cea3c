//! Weak sequences.
#![forbid(unsafe_code)]

use crate::core::sequence::{Sequence, Steps};
use crate::core::sighting::{FlagMask, Port};

/// Returns why a scan, or a guess, would find a sequence. Rolling steps are not
/// weak themselves.
#[must_use]
pub fn of(sequence: &Sequence) -> Option<&'static str> {
    let by_steps = match &sequence.steps {
        Steps::Fixed(steps) => of_steps(steps),
        Steps::OneTime(list) => list.lines.iter().find_map(|line| of_steps(&line.steps)),
        Steps::Rolling(_) => None,
    };
    let by_flags = || of_flags(sequence.steps.ports().any(Port::is_tcp), sequence.flags);
    let lax = || (!sequence.strict).then_some(LAX);
    by_steps.or_else(by_flags).or_else(lax)
}

/// Why a scan finds a sequence that is not strict.
pub(super) const LAX: &str = "without strict a scan is not noticed";

/// Returns why a scan, or a guess, would find fixed steps.
#[must_use]
pub fn of_steps(steps: &[Port]) -> Option<&'static str> {
    let every = |holds: fn(u16, u16) -> bool| {
        steps.windows(2).all(|pair| holds(pair[0].number, pair[1].number))
    };
    // A datagram to one other port does not end an attempt.
    let are_near = |pair: &[Port]| {
        let distance = pair[0].number.abs_diff(pair[1].number);
        distance == 2 && !pair.iter().any(Port::is_tcp)
    };
    if steps.len() < 3 {
        Some("it has fewer than three steps")
    } else if every(|one, next| one == next) {
        Some("all its steps go to one port")
    } else if every(|one, next| one <= next) {
        Some("its ports only rise, as in a scan")
    } else if every(|one, next| one >= next) {
        Some("its ports only fall, as in a scan")
    } else if !every(|one, next| one.abs_diff(next) != 1) {
        Some("two consecutive ports are neighbours")
    } else if steps.windows(2).any(are_near) {
        Some("only one port lies between two consecutive UDP ports")
    } else {
        None
    }
}

/// Returns why a scan is not noticed between TCP segments with these flags.
#[must_use]
pub fn of_flags(has_tcp: bool, flags: FlagMask) -> Option<&'static str> {
    (has_tcp && flags.matches_data())
        .then_some("segments of open connections have its flags, so a scan is not noticed")
}
