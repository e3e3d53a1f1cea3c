//! Capture by bpf, without bpf: buffers laid out as each system lays them
//! out, and descriptors that answer as each system's do.
#![forbid(unsafe_code)]

mod attaching;
mod fake;
mod records;
mod route;

use fake::System;
use knockd::capture::bpf::{Abi, freebsd, freebsd_i386, freebsd32, macos, openbsd};

fn abi(system: System) -> &'static Abi {
    match system {
        System::FreeBsd => &freebsd::ABI,
        System::FreeBsd32 => &freebsd32::ABI,
        System::FreeBsdI386 => &freebsd_i386::ABI,
        System::OpenBsd => &openbsd::ABI,
        System::MacOs => &macos::ABI,
    }
}
