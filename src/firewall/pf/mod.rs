//! pf, on FreeBSD, OpenBSD and macOS.
//!
//! What a system looks like is data: the files named after the systems
//! describe their structures and requests as one [`abi::Abi`] each, and all of
//! them are compiled and checked on every host.

pub mod abi;
pub mod freebsd;
pub mod freebsd32;
pub mod layout;
pub mod macos;
pub mod openbsd;
