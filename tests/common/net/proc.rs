//! What /proc says of a process.

use std::fmt::Display;
use std::fs;

use nix::libc;
use nix::unistd::Pid;

/// The rest of the line of /proc/PID/status that begins with `field`.
pub fn status(pid: impl Display, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{field} in {status}")).trim().to_owned()
}

/// The soft and the hard limit with this name in /proc/PID/limits.
pub fn limits(pid: impl Display, name: &str) -> [String; 2] {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let mut words = line.unwrap_or_else(|| panic!("{name} in {limits}")).split_whitespace();
    [(); 2].map(|()| words.next().unwrap().to_owned())
}

/// The signals that it blocks, a bit each. Those between the last ordinary one
/// and SIGRTMIN are left out: they are the C library's, which blocks them for
/// moments whenever it likes.
pub fn blocked_signals(pid: impl Display) -> u64 {
    let blocked = u64::from_str_radix(&status(pid, "SigBlk"), 16).unwrap();
    let own = (32..libc::SIGRTMIN()).fold(0, |own, signal| own | 1_u64 << (signal - 1));
    blocked & !own
}

/// Whether there is no such process any more, or only what is left of it.
pub fn is_gone(pid: impl Display) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}

/// The processes that a daemon started, by their names: keeper, engine, runner.
pub fn children(daemon: Pid, name: &str) -> Vec<Pid> {
    // The kernel's own list of children leaves some out while others end.
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.ok()?.file_name().to_str()?.parse::<i32>().ok().map(Pid::from_raw)
    });
    let is_child = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // "pid (name) state parent ...", where the name may have anything in it.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        parent == Some(daemon.to_string().as_str())
    };
    let is_named = |pid: &Pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(format!("knockd: {name}").as_bytes())
    };
    all.filter(is_child).filter(is_named).collect()
}

/// The one child with this name. Another may be about to follow it.
pub fn child(daemon: Pid, name: &str) -> Pid {
    let mut found = Vec::new();
    super::until(name, || {
        found = children(daemon, name);
        found.len() == 1
    });
    found[0]
}
