//! OpenBSD: pledge(2) for the engine, unveil(2) for root.
//!
//! keeper and parent do not pledge: "pf" does not allow the ioctls that add and
//! delete single addresses, and kills a process that makes them (kern_pledge.c).

use std::io;
use std::path::Path;

use nix::libc::rlim_t;
use nix::sys::resource::Resource;

use super::pledge::{lock_unveil, pledge, unveil};
use crate::sys::confine::{ConfineError, KeeperPaths, ParentPaths};
use crate::sys::shared::confine::EMPTY;
pub use crate::sys::shared::confine::{
    empty_directory, limit_capture, limit_queue, lock_memory, make_empty, restore_memory_limit,
};
pub use crate::sys::shared::ids::{become_user, forbid_processes, is_only};
use crate::sys::shared::limit::lower;

/// What root's processes open besides their own files: to log, to look up users and
/// groups, and to reach the packet filter.
const SYSTEM: &[(&str, &std::ffi::CStr)] = &[
    ("/dev/log", c"rw"),
    ("/dev/null", c"rw"),
    ("/dev/pf", c"rw"),
    ("/etc/group", c"r"),
    ("/etc/pwd.db", c"r"),
];

/// Does nothing: the engine needs no files.
pub fn prepare() {}

/// Limits memory: the limit of data counts all that mmap(2) gives. OpenBSD has none
/// of the address space. Locked memory is limited to the same.
pub fn limit_memory(most: rlim_t) -> io::Result<()> {
    lower(Resource::RLIMIT_DATA, most)?;
    lower(Resource::RLIMIT_MEMLOCK, most)
}

pub fn sandbox() -> Result<(), ConfineError> {
    pledge(c"stdio recvfd").map_err(ConfineError::at("enter the sandbox"))
}

/// Pledges. The programs that it starts have no promises.
pub fn runner() -> Result<(), ConfineError> {
    pledge(c"stdio proc exec").map_err(ConfineError::at("enter the sandbox"))
}

fn unveil_all(paths: &[(&Path, &std::ffi::CStr)]) -> Result<(), ConfineError> {
    let system = SYSTEM.iter().map(|(path, permissions)| (Path::new(path), *permissions));
    for (path, permissions) in system.chain(paths.iter().copied()) {
        let step = format_args!("limit files to {}", path.display()).to_string();
        unveil(path, permissions).map_err(ConfineError::at(step))?;
    }
    lock_unveil().map_err(ConfineError::at("limit files"))
}

pub fn keeper(paths: &KeeperPaths<'_>) -> Result<(), ConfineError> {
    unveil_all(&[
        (paths.config, c"r"),
        // Used lines of lists are marked there.
        (paths.secrets, c"rw"),
        (paths.state, c"rwc"),
        (paths.run, c"rwc"),
        (Path::new("/dev/bpf"), c"rw"),
        // Looked at before each engine gets it as its root directory.
        (Path::new(EMPTY), c"r"),
    ])
}

/// Limits files. The children that it starts see all paths again, because execve(2)
/// forgets what was unveiled, and confine themselves.
pub fn parent(paths: &ParentPaths<'_>) -> Result<(), ConfineError> {
    let mut seen = vec![
        (paths.config, c"r"),
        (paths.secrets, c"r"),
        (paths.run, c"rwc"),
        (paths.program, c"rx"),
    ];
    seen.extend(paths.pidfile.map(|path| (path, c"rwc")));
    unveil_all(&seen)
}
