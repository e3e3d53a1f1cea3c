//! Promises 5 and 7: what a process of the daemon can do once it is in foreign
//! hands, and what it lets slip.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/net/mod.rs"]
mod net;

#[path = "intruder/attempts/mod.rs"]
mod attempts;
mod confined;
mod engine;
#[cfg(feature = "faults")]
mod hostile;
mod secrets;
