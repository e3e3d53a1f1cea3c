//! Whether the system lets packets be captured.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;

use nix::libc;

use crate::core::finding::Finding;
use crate::sys::SYSTEM;

/// `CAP_NET_RAW` (linux/capability.h).
const CAP_NET_RAW: u32 = 13;

/// Looks at this system.
pub fn look() -> Finding {
    match SYSTEM.bpf {
        Some(path) => device(path, &File::open(path).map(drop)),
        None => capability(std::fs::read_to_string("/proc/self/status").as_deref().ok()),
    }
}

/// What it means how the device opened.
pub fn device(path: &str, opened: &io::Result<()>) -> Finding {
    let subject = "bpf";
    let Err(error) = opened else { return Finding::ok(subject, format!("{path} opens")) };
    match error.raw_os_error() {
        // Another program has this one, and there are more.
        Some(libc::EBUSY) => Finding::ok(subject, format!("{path} is there, and in use")),
        Some(libc::EACCES | libc::EPERM) => Finding::warning(
            subject,
            format!("cannot tell whether {path} opens, {error}: run knockctl as root"),
        ),
        _ => {
            Finding::error(subject, format!("{path} does not open, {error}: nobody can knock"))
        }
    }
}

/// What the text of proc_pid_status(5) means.
pub fn capability(status: Option<&str>) -> Finding {
    let subject = "capture";
    let line =
        status.and_then(|text| text.lines().find_map(|line| line.strip_prefix("CapEff:")));
    match line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        Some(mask) if mask & (1 << CAP_NET_RAW) != 0 => {
            Finding::ok(subject, "CAP_NET_RAW is there")
        }
        Some(_) => {
            let text = "cannot tell whether packets can be captured: run knockctl as root";
            Finding::warning(subject, text)
        }
        None => Finding::warning(subject, "cannot read the capabilities in /proc/self/status"),
    }
}
