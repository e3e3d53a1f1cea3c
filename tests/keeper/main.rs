//! The keeper: its firewall, its files, its channels.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/lines.rs"]
mod lines;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/policy.rs"]
mod policy;

mod firewall;
mod journal;
mod lease_file;
mod message;
