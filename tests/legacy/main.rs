//! The clients that people already have: Debian's fwknop, pyknock from PyPI.
//! Their own packets open our doors, once, and nothing else does.
#![cfg(all(target_os = "linux", feature = "legacy"))]
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "../net/mod.rs"]
mod net;
#[path = "../common/policy.rs"]
mod policy;

mod clients;
mod decoders;
mod frames;
mod fwknop;
mod open;
mod pyknock;
