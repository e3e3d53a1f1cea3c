//! The program `knock`, driven as a user drives it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod door;
#[cfg(target_os = "linux")]
mod families;
mod home;
mod hosts;
mod keys;
mod proxy;
mod sequences;
mod tokens;
mod wait;
#[cfg(target_os = "linux")]
mod wire;
