//! How an administrator speaks with a running daemon.
//!
//! Over a socket in the run directory: [`request`] is what is asked,
//! [`answer`] what comes back, both in [`record`]s of one size; [`health`] is
//! the daemon's report on itself. [`server`] is the daemon's end of the socket.
#![forbid(unsafe_code)]

pub mod answer;
pub mod health;
pub mod record;
pub mod request;
pub mod server;

/// The socket's name in the run directory.
pub const SOCKET: &str = "knockd.sock";
