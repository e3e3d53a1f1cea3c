//! OpenBSD: pledge(2) for the engine, unveil(2) for root.
//!
//! keeper and parent make no pledge: "pf" forbids the ioctls that add and
//! delete single addresses, and ends who makes them (pledge(2), kern_pledge.c).

use std::path::Path;

use super::pledge::{lock_unveil, pledge, unveil};
use crate::sys::confine::{Error, KeeperPaths, ParentPaths};
use crate::sys::shared::confine::EMPTY;
pub use crate::sys::shared::confine::{
    empty_directory, limit_capture, lock_memory, restore_memory_limit,
};
pub use crate::sys::shared::ids::{become_user, forbid_processes, is_only};

/// What root's processes open by themselves: to say something, to look up
/// users and groups, to reach the packet filter.
const SYSTEM: &[(&str, &std::ffi::CStr)] = &[
    ("/dev/log", c"rw"),
    ("/dev/null", c"rw"),
    ("/dev/pf", c"rw"),
    ("/etc/group", c"r"),
    ("/etc/pwd.db", c"r"),
];

/// Nothing to do: where the root directory is the engine's, only descriptors
/// are left, which is what it promises.
pub fn prepare() {}

pub fn sandbox() -> Result<(), Error> {
    pledge(c"stdio recvfd").map_err(Error::at("enter the sandbox"))
}

/// What it starts begins without promises.
pub fn runner() -> Result<(), Error> {
    pledge(c"stdio proc exec").map_err(Error::at("enter the sandbox"))
}

fn see(paths: &[(&Path, &std::ffi::CStr)]) -> Result<(), Error> {
    let system = SYSTEM.iter().map(|(path, permissions)| (Path::new(path), *permissions));
    for (path, permissions) in system.chain(paths.iter().copied()) {
        let step = format_args!("limit files to {}", path.display()).to_string();
        unveil(path, permissions).map_err(Error::at(step))?;
    }
    lock_unveil().map_err(Error::at("limit files"))
}

pub fn keeper(paths: &KeeperPaths<'_>) -> Result<(), Error> {
    see(&[
        (paths.config, c"r"),
        // Lines of lists are struck out there.
        (paths.secrets, c"rw"),
        (paths.state, c"rwc"),
        (paths.run, c"rwc"),
        (Path::new("/dev/bpf"), c"rw"),
        // Looked at before each engine gets it as its root directory.
        (Path::new(EMPTY), c"r"),
    ])
}

/// What it execs begins with all paths in sight again (execve(2) forgets what
/// was unveiled), and confines itself.
pub fn parent(paths: &ParentPaths<'_>) -> Result<(), Error> {
    let mut seen = vec![
        (paths.config, c"r"),
        (paths.secrets, c"r"),
        (paths.run, c"rwc"),
        (paths.program, c"rx"),
    ];
    seen.extend(paths.pidfile.map(|path| (path, c"rwc")));
    see(&seen)
}
