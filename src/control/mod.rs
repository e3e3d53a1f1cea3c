//! How an administrator speaks with a running daemon.
//!
//! Over a socket in the run directory: [`request`] is what is asked,
//! [`answer`] what comes back, both in [`record`]s of one size. [`server`] is
//! the daemon's end of it, [`program`] is `knockctl`, and [`doctor`] looks at the
//! system beside the daemon.
#![forbid(unsafe_code)]

pub mod answer;
pub mod doctor;
mod field;
pub mod metrics;
pub mod program;
pub mod record;
pub mod request;
pub mod server;

/// The socket's name in the run directory.
pub const SOCKET: &str = "knockd.sock";
