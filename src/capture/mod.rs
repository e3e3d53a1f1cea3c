//! Captures packets and parses them.
//!
//! [`Capture`] keeps descriptors attached to interfaces that come and go.
//! [`Frames`] reads copies of them in another process. The kernel drops packets
//! by a program of [`filter`]; [`frame`] parses the others. [`savefile`] reads
//! packets from a file.

pub mod bpf;
pub mod filter;
mod filter_headers;
pub mod frame;
mod frames;
pub mod interfaces;
mod live;
mod program;
pub mod savefile;
mod savefile_block;
mod watch;
mod wider;
mod wire;

#[cfg(target_os = "linux")]
pub mod linux;

#[cfg(not(target_os = "linux"))]
pub use bpf::attachment as system;
#[cfg(target_os = "linux")]
pub use linux as system;

pub use frames::Frames;
pub use live::{Capture, Change, Handout};
pub use watch::Watch;
