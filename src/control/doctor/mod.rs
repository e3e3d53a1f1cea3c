//! Looks at the live system and says what keeps knockd from its promises.
#![forbid(unsafe_code)]

pub mod finding;
pub mod ruleset;
