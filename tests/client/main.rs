//! The program `knock`, driven as a user drives it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/policy.rs"]
mod policy;
#[path = "../common/programs.rs"]
mod programs;
#[path = "../common/security_key.rs"]
mod security_key;

mod door;
#[cfg(target_os = "linux")]
mod families;
mod home;
mod hosts;
mod keys;
mod proxy;
mod python;
mod sequences;
mod stand_in;
mod tokens;
mod wait;
#[cfg(target_os = "linux")]
mod wire;
