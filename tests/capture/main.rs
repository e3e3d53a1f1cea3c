//! From frames to sightings: what the parser takes, what the filter lets
//! pass, and how capture follows its interfaces.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;

mod bpf;
#[path = "../common/bpf_vm.rs"]
mod bpf_vm;
mod filter;
mod frames;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
#[path = "../common/net/namespace.rs"]
mod namespace;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod ring;
mod savefile;
mod sight;
