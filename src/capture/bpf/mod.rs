//! Capture by bpf(4), on FreeBSD, OpenBSD and macOS.
//!
//! Each system is described by data, which compiles and is checked on every host.
//! [`attach`] prepares a descriptor of any system, [`records`] reads what it
//! delivers.
#![forbid(unsafe_code)]

pub mod abi;
pub mod attach;
#[cfg(not(target_os = "linux"))]
pub mod attachment;
pub mod device;
pub mod freebsd;
pub mod freebsd32;
pub mod freebsd_i386;
pub mod macos;
pub mod openbsd;
pub mod records;
pub mod route;
#[cfg(not(target_os = "linux"))]
mod routes;

#[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
use freebsd as native;
#[cfg(all(target_os = "freebsd", target_arch = "x86"))]
use freebsd_i386 as native;
#[cfg(all(target_os = "freebsd", target_pointer_width = "32", not(target_arch = "x86")))]
use freebsd32 as native;
#[cfg(target_os = "macos")]
use macos as native;
#[cfg(target_os = "openbsd")]
use openbsd as native;

pub use abi::Abi;
