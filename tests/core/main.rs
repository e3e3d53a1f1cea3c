//! What opens a door, and for how long: tokens, sequences, rights, leases.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/counting.rs"]
#[allow(dead_code, reason = "peaks and calls are another program's")]
mod counting;
#[path = "../common/house/mod.rs"]
mod house;
#[path = "../common/modes.rs"]
mod modes;
#[cfg(target_os = "linux")]
#[path = "../common/net/mod.rs"]
mod net;
#[path = "../common/policy.rs"]
mod policy;

mod gate;
mod interest;
mod lease;
mod lease_orders;
mod lease_reload;
mod one_time;
mod rights;
mod rolling;
mod scans;
mod sequence;
mod sequence_model;
mod targets;
mod token;
mod token_attacks;
