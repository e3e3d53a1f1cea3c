//! Capture by bpf(4), on FreeBSD, OpenBSD and macOS.
//!
//! As with pf, what a system looks like is data, compiled and checked on
//! every host: [`attach`] makes a descriptor ready, [`records`] reads what it
//! delivers, and neither knows a system.
#![forbid(unsafe_code)]

pub mod abi;
pub mod attach;
pub mod device;
pub mod freebsd;
pub mod freebsd32;
pub mod freebsd_i386;
pub mod macos;
pub mod openbsd;
pub mod records;
pub mod route;

pub use abi::Abi;
