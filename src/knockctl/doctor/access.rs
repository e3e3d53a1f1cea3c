//! Whether packets can be captured.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;

use nix::libc;
use nix::unistd::geteuid;

use crate::core::finding::Finding;
use crate::sys::SYSTEM;

/// `CAP_NET_RAW` (linux/capability.h).
const CAP_NET_RAW: u32 = 13;

/// Checks this system.
pub fn check() -> Finding {
    let is_root = geteuid().is_root();
    match SYSTEM.bpf {
        Some(path) => device(path, &File::open(path).map(drop), is_root),
        None => {
            let status = std::fs::read_to_string("/proc/self/status");
            capability(status.as_deref().ok(), is_root)
        }
    }
}

/// Judges the result of opening the device at `path`.
pub fn device(path: &str, opened: &io::Result<()>, is_root: bool) -> Finding {
    let subject = "bpf";
    let Err(error) = opened else {
        return Finding::ok(subject, format!("{path} can be opened"));
    };
    match error.raw_os_error() {
        // Another program has this one, and there are more.
        Some(libc::EBUSY) => Finding::ok(subject, format!("{path} exists and is in use")),
        Some(libc::EACCES | libc::EPERM) => {
            Finding::denied(subject, &format!("cannot open {path}, {error}"), is_root)
        }
        _ => Finding::error(subject, format!("cannot open {path}, nobody can knock: {error}")),
    }
}

/// Judges the text of proc_pid_status(5).
pub fn capability(status: Option<&str>, is_root: bool) -> Finding {
    let subject = "capture";
    let line =
        status.and_then(|text| text.lines().find_map(|line| line.strip_prefix("CapEff:")));
    match line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        Some(mask) if mask & (1 << CAP_NET_RAW) != 0 => {
            Finding::ok(subject, "CAP_NET_RAW is present")
        }
        Some(_) => Finding::denied(subject, "CAP_NET_RAW is missing", is_root),
        None => Finding::warning(subject, "cannot read the capabilities in /proc/self/status"),
    }
}
