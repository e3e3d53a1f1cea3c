//! From an interface to sightings: the way in.
//!
//! [`Capture`] keeps descriptors attached to interfaces that come and go, and
//! [`Frames`] reads copies of them, in another process;
//! [`filter`] makes the kernel drop what cannot matter; [`frame`] reads what
//! remains; [`savefile`] takes the interface's place.

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
