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
    let path = format!("/proc/{daemon}/task/{daemon}/children");
    let all = fs::read_to_string(path).unwrap_or_default();
    let is_named = |pid: &&str| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(format!("knockd: {name}").as_bytes())
    };
    let found = all.split_ascii_whitespace().filter(is_named);
    found.map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// The one child with this name. The kernel may leave it out of the list while
/// a sibling ends, and another may be about to follow it.
pub fn child(daemon: Pid, name: &str) -> Pid {
    let mut found = Vec::new();
    super::until(name, || {
        found = children(daemon, name);
        found.len() == 1
    });
    found[0]
}
