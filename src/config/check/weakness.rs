//! Weak sequences.
#![forbid(unsafe_code)]

use crate::core::sighting::Port;

/// Returns why a scan, or a guess, would find a sequence.
#[must_use]
pub fn weakness(steps: &[Port]) -> Option<&'static str> {
    let every = |holds: fn(u16, u16) -> bool| {
        steps.windows(2).all(|pair| holds(pair[0].number, pair[1].number))
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
    } else {
        None
    }
}
