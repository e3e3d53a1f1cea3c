//! The control socket: who may speak, what is answered, and what the daemon
//! does with clients that are slow, broken or many.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod clients;
mod documents;
mod places;
mod program;
mod stage;
mod strangers;
