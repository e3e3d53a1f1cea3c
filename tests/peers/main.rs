//! The clients and keys that people already have.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/net/mod.rs"]
mod net;
#[cfg(feature = "legacy")]
#[path = "../common/policy.rs"]
mod policy;
#[path = "../common/programs.rs"]
mod programs;
#[path = "../common/security_key.rs"]
mod security_key;

#[cfg(feature = "legacy")]
mod legacy;
mod ssh;
