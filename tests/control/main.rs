//! The control socket: who may use it, the answers, and clients that are slow,
//! broken or many.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/programs.rs"]
mod programs;

mod clients;
mod documents;
mod places;
mod program;
mod stage;
mod strangers;
