//! What is installed besides the programs, and says what they do: manuals,
//! samples, scripts, packing lists.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/programs.rs"]
mod programs;

mod arrows;
mod completion;
mod dependencies;
mod install;
mod manual;
mod pf_examples;
mod ports;
mod rcd;
mod systems;
