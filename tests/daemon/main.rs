//! The daemon as packets, signals and an administrator meet it: the real
//! programs, on hosts that are network namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/modes.rs"]
mod modes;
#[path = "../common/net/mod.rs"]
mod net;
#[path = "../common/programs.rs"]
mod programs;

mod attacks;
mod clocks;
#[cfg(feature = "faults")]
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod end_to_end;
mod engines;
mod first_steps;
mod frames;
mod idle;
#[cfg(feature = "faults")]
mod lifecycle;
mod machine;
mod operation;
mod power_loss;
mod random_deaths;
mod reload;
#[cfg(feature = "faults")]
mod restart;
mod runner;
mod savefile;
mod scans;
mod scripts;
mod silent;
mod sources;
mod tables;
mod torn;
