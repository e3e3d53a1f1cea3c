//! The scripts that start and stop knockd with the system: what they would run
//! and signal, and whom. Stand-ins take the place of the systems' rc.subr(8).
#![forbid(unsafe_code)]

mod freebsd;
mod launchd;
mod openbsd;
mod service;
mod stage;
