//! knockd keeps services invisible behind pf until a source address proves
//! itself.
//!
//! The crate is a house of rooms, and imports point one way through it: three
//! programs, `knockd` ([`process`]), `knockctl` ([`knockctl`]) and `knock`
//! ([`client`]), use the rooms, and all rooms use [`core`], which needs nothing
//! but its arguments: no clock, no file, no socket.
//!
//! A packet passes [`capture`], [`core`], [`process`] and [`firewall`]; one line
//! of [`log`] reports it.
//!
//! The words:
//!
//! - **door**: the part of the configuration that names a table of the packet
//!   filter, and who may open it for how long
//! - **lease**: one door, open to one address until a deadline
//! - **entry**: an address or a network in a table
//! - **slot**: one entry of one table; leases of several doors may share it
//! - **sighting**: an observed packet that may be a knock or a token
//! - **token**: one datagram that asks for a door and proves its user
//! - **proof**: the part of a token that only its user can make
//! - **claim**: what the engine asks the keeper to open, and on what ground
//! - **mark**: 4 bytes by which the kernel recognizes a token before any proof
//! - **journal**: the file of accepted tokens, so that none counts twice
//! - **lease file**: the file of leases, from which the next run continues
//! - **gate**: decides what a sighting is worth
//! - **engine**: the confined process that reads packets and has the gate
//! - **keeper**: the process that checks claims again and changes tables
//! - **runner**: the process that runs the commands of doors
//!
//! | room | what it holds | imports |
//! |---|---|---|
//! | [`capture`] | the filter in the kernel; a frame becomes a sighting | core, ioctl, sys |
//! | [`client`] | `knock`: sends sequences and tokens | core, enrolment, keyfile, sys |
//! | [`config`] | RON becomes a checked policy | core, firewall, keyfile, sys |
//! | [`control`] | requests, answers, and the server of the control socket | core, sys |
//! | [`core`] | the gate judges a sighting; what it lets through becomes a lease | nothing |
//! | [`enrolment`] | the line that carries a server to a client | core, keyfile |
//! | [`faults`] | where tests kill a process | nothing |
//! | [`firewall`] | an address enters a table of the kernel, and leaves it on time | core, ioctl |
//! | [`import`] | the configuration of another daemon becomes one of ours | config, core, firewall |
//! | [`ioctl`] | requests to pf and bpf, checked against each system's headers | nothing |
//! | [`keep`] | files of leases and of used tokens | core, sys |
//! | [`keyfile`] | files of secrets | core, sys |
//! | [`knockctl`] | `knockctl`: asks the daemon, sets up, examines | config, control, core, enrolment, firewall, import, keep, keyfile, review, sys |
//! | [`log`] | one line for each event | core |
//! | [`message`] | what the daemon's processes send each other | core, sys |
//! | [`process`] | `knockd`: parent, keeper, engine and runner | capture, config, control, core, faults, firewall, keep, log, message, review, sys |
//! | [`review`] | what the packet filter that runs makes of the doors | capture, config, core, firewall |
//! | [`sys`] | what each operating system does its own way: clocks, waiting, confinement | core |
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
pub mod import;
pub mod ioctl;
pub mod keep;
pub mod keyfile;
pub mod knockctl;
pub mod log;
pub mod message;
pub mod process;
pub mod review;
pub mod sys;
