//! The control socket, over which an administrator controls a running daemon.
//!
//! It is in the run directory. A client sends a [`request`] and receives
//! [`answer`]s, both in [`record`]s of one size; [`health`] lists what the daemon
//! reports about itself. [`server`] is the daemon's end of the socket.
#![forbid(unsafe_code)]

pub mod answer;
pub mod health;
pub mod record;
pub mod request;
pub mod server;

/// The socket's name in the run directory.
pub const SOCKET: &str = "knockd.sock";
