//! Decisions without side effects: no file, no socket, no clock, no log.
//!
//! Time and randomness are arguments, so tests are repeatable. A packet becomes
//! a [`sighting`]. The [`gate`] judges it by [`sequence`] or by [`token`] and
//! [`replay`]. A packet that it accepts becomes a [`lease`]. Tokens of older
//! programs are read by `legacy`.
#![forbid(unsafe_code)]

pub mod address;
pub mod bytes;
pub mod claim;
pub mod command;
mod copies;
pub mod credential;
pub mod door;
pub mod duration;
pub mod finding;
pub mod gate;
pub mod hash;
pub mod interest;
pub mod interface;
pub mod lease;
#[cfg(feature = "legacy")]
pub mod legacy;
pub mod link;
pub mod mark;
pub mod name;
pub mod one_time;
pub mod permit;
pub mod policy;
pub mod port;
pub mod printable;
pub mod rate;
pub mod reason;
pub mod replay;
pub mod rolling;
pub mod sequence;
pub mod sighting;
pub mod slot;
pub mod special;
pub mod sshsig;
pub mod statement;
pub mod text;
pub mod time;
pub mod token;
pub mod user;
