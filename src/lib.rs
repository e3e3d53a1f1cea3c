//! knockd keeps services invisible behind pf until a source address proves
//! itself.
//!
//! The packet's way is the way through this crate:
//!
//! | room | what happens there |
//! |---|---|
//! | [`capture`] | the kernel lets through what can matter; a frame becomes a sighting |
//! | [`core`] | the gate judges the sighting; what it lets through becomes a lease |
//! | [`process`] | engine and keeper: the one decides, the other acts; the loop between them |
//! | [`firewall`] | the address goes into a table of the kernel, and out again on time |
//! | [`log`] | what is said about it, one line each |
//!
//! Beside the way: [`config`] makes the policy out of RON, [`keyfile`] reads
//! the secrets that it names, [`control`] is how an administrator speaks with
//! the daemon, [`client`] is the program `knock`, [`ioctl`] makes requests of pf
//! and bpf, [`sys`] holds what only the operating system can tell.
//!
//! Imports point one way: programs to [`process`], [`client`] and
//! [`knockctl`], those to the rooms, and all of them to [`core`], which
//! needs nothing but its arguments: no clock, no file, no socket.
#![cfg_attr(test, allow(missing_docs))]

pub mod capture;
pub mod client;
pub mod config;
pub mod control;
pub mod core;
pub mod enrolment;
#[doc(hidden)]
pub mod faults;
pub mod firewall;
pub mod ioctl;
pub mod keep;
pub mod keyfile;
pub mod knockctl;
pub mod log;
pub mod message;
pub mod process;
pub mod ruleset;
pub mod sys;
