//! The configuration and the files that it names.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/house/mod.rs"]
mod house;
#[path = "../common/modes.rs"]
mod modes;

mod accepted;
mod commands;
mod doors;
mod files;
mod keyfile;
mod keys;
mod legacy;
mod positions;
mod sequences;
mod users;
