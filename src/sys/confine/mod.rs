//! Gives up, for good, what a process does not need.
//!
//! The engine keeps its channel, descriptor 0, the capture descriptors that it
//! receives there, memory and time. The runner keeps the rights of a user that owns
//! nothing, because it starts programs that we do not know. Every failure is fatal:
//! the caller ends.
//!
//! | | the engine | the runner | keeper, parent |
//! |---|---|---|---|
//! | OpenBSD | pledge(2) "stdio recvfd" | pledge(2) "stdio proc exec" | unveil(2), locked |
//! | FreeBSD | capability mode, rights per descriptor | another user | root |
//! | macOS | sandbox, all denied | another user | root |
//! | Linux | seccomp(2) | another user, no new rights | root, no new rights |
#![forbid(unsafe_code)]

mod account;
mod way_back;

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use nix::libc::rlim_t;
use nix::sys::resource::Resource;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chroot, geteuid};

use super::forbid_core_files;
use super::here::confine as system;
use super::ours::is_ours;
use super::shared::limit::lower;
pub use account::Account;

/// The most descriptors of the engine: one per interface, and a duplicate of each
/// while it receives them.
const DESCRIPTORS: rlim_t = 256;

/// Why a process could not be confined. Names the step.
#[derive(Debug)]
pub struct ConfineError(String);

impl ConfineError {
    pub(super) fn new(step: impl Display, error: impl Into<io::Error>) -> Self {
        Self(format!("cannot {step}: {}", error.into()))
    }

    /// An error that the system did not report.
    pub fn because(text: impl Display) -> Self {
        Self(text.to_string())
    }

    /// For `map_err`: names the step that failed.
    pub(super) fn at<E: Into<io::Error>>(step: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(step, error)
    }
}

impl Display for ConfineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfineError {}

/// The root directory and the user of the engine.
#[derive(Debug)]
pub struct Cell<'a> {
    /// Its root directory: empty, and writable by root only.
    pub directory: &'a Path,
    /// The user that it becomes. None is for trials with tables in memory: then the
    /// user stays, and the root directory too if it is not root.
    pub account: Option<&'a Account>,
    /// How much memory it may have, in MB.
    pub megabytes: u32,
}

/// What the keeper opens after its start.
#[derive(Debug)]
pub struct KeeperPaths<'a> {
    /// The directory of the configuration, read at reload.
    pub config: &'a Path,
    /// The directory of the keys, read at reload.
    pub secrets: &'a Path,
    /// The journal's directory.
    pub state: &'a Path,
    /// The directory of leases, locks and the control socket.
    pub run: &'a Path,
}

/// What the parent opens after its start.
#[derive(Debug)]
pub struct ParentPaths<'a> {
    /// The directory of the configuration, read at reload.
    pub config: &'a Path,
    /// The directory of the keys, read at reload.
    pub secrets: &'a Path,
    /// The directory of leases and locks.
    pub run: &'a Path,
    /// The file with the process id, removed at the end.
    pub pidfile: Option<&'a Path>,
    /// The program, which it starts again when a child dies.
    pub program: &'a Path,
}

/// Confines the engine. Descriptor 0 is its channel. Capture descriptors may be open
/// already or arrive later; all others should be closed. There must be one thread
/// only, and no file can be opened afterwards.
///
/// # Errors
/// The first step that fails. The process is then confined in part, and must end.
pub fn engine(cell: &Cell<'_>) -> Result<(), ConfineError> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(ConfineError::at("unblock signals"))?;
    limit(cell.megabytes)?;
    if cell.account.is_some() && !geteuid().is_root() {
        return Err(ConfineError::because("cannot confine the engine, start knockd as root"));
    }
    system::prepare();
    if geteuid().is_root() {
        enter(cell.directory)?;
    }
    if let Some(account) = cell.account {
        system::become_user(account)?;
        way_back::is_closed(account)?;
    }
    // On Linux, a process that changed its user can be traced and dumped again.
    forbid_core_files().map_err(ConfineError::at("forbid core files"))?;
    system::sandbox()
}

/// Forbids core files, files that grow and new processes, and limits descriptors and
/// memory, locked or not.
fn limit(megabytes: u32) -> Result<(), ConfineError> {
    forbid_core_files().map_err(ConfineError::at("forbid core files"))?;
    system::forbid_processes().map_err(ConfineError::at("forbid processes"))?;
    for (resource, name, most) in [
        (Resource::RLIMIT_FSIZE, "the size of files", 0),
        (Resource::RLIMIT_NOFILE, "the number of descriptors", DESCRIPTORS),
    ] {
        lower(resource, most)
            .map_err(ConfineError::at(format_args!("limit {name} to {most}")))?;
    }
    system::limit_memory(rlim_t::from(megabytes).saturating_mul(1 << 20))
        .map_err(ConfineError::at(format_args!("limit memory to {megabytes} MB")))
}

/// Makes `directory` the root directory.
fn enter(directory: &Path) -> Result<(), ConfineError> {
    let shown = directory.display();
    check_empty(directory)?;
    chroot(directory).map_err(ConfineError::at(format_args!("change the root to {shown}")))?;
    std::env::set_current_dir("/").map_err(ConfineError::at(format_args!("enter {shown}")))?;
    // Every system has this file in its real root directory.
    for path in ["/etc/passwd", "../etc/passwd", "../../../../etc/passwd"] {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => {
                return Err(ConfineError::because(format_args!("{path} is seen from {shown}")));
            }
        }
    }
    Ok(())
}

/// Checks that `directory` is empty, and that only root can create files in it.
fn check_empty(directory: &Path) -> Result<(), ConfineError> {
    let shown = directory.display();
    let unfit = |why: &dyn Display| {
        ConfineError::because(format_args!("cannot use {shown} as root directory: {why}"))
    };
    let metadata = fs::symlink_metadata(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unfit(&format_args!("run mkdir -m 755 {shown}: {error}")),
        _ => unfit(&error),
    })?;
    if !metadata.is_dir() {
        return Err(unfit(&"not a directory, remove it"));
    }
    if !is_ours(&metadata) {
        return Err(unfit(&"others can write there, chown it to root and chmod it 755"));
    }
    if fs::read_dir(directory).map_err(|error| unfit(&error))?.next().is_some() {
        return Err(unfit(&"not empty, remove what is in it"));
    }
    Ok(())
}

/// Confines the runner: it becomes `account` for good. None is for trials without
/// root. The programs that it starts inherit this, and no descriptor. There must be
/// one thread only.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn runner(account: Option<&Account>) -> Result<(), ConfineError> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(ConfineError::at("unblock signals"))?;
    if account.is_none() && geteuid().is_root() {
        return Err(ConfineError::because("cannot run commands as root, name another user"));
    }
    system::restore_memory_limit().map_err(ConfineError::at("limit locked memory"))?;
    if let Some(account) = account {
        system::become_user(account)?;
        way_back::is_closed(account)?;
    }
    umask(Mode::from_bits_truncate(0o022));
    std::env::set_current_dir("/").map_err(ConfineError::at("enter /"))?;
    // On Linux, that user could trace a process that changed its user.
    forbid_core_files().map_err(ConfineError::at("forbid core files"))?;
    system::runner()
}

/// Confines the keeper. It stays root, as the packet filter requires. There must be
/// one thread only.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn keeper(paths: &KeeperPaths<'_>) -> Result<(), ConfineError> {
    forbid_core_files().map_err(ConfineError::at("forbid core files"))?;
    system::keeper(paths)
}

/// Confines the parent. It stays root, to remove what a dead keeper left. There must
/// be one thread only.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn parent(paths: &ParentPaths<'_>) -> Result<(), ConfineError> {
    forbid_core_files().map_err(ConfineError::at("forbid core files"))?;
    system::parent(paths)
}

/// Removes the rights of a capture descriptor that reading does not need. On FreeBSD
/// the rights belong to the descriptor and cannot be given back, not even to its
/// duplicates: keep an earlier one to have more.
///
/// # Errors
/// The kernel's refusal.
pub fn limit_capture(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    system::limit_capture(descriptor)
}

/// Returns an empty directory, to be the root directory of the engine: that of the
/// system, or one that is created below `run`. [`engine`] checks it again.
///
/// # Errors
/// When it cannot be created, or others can write there.
pub fn empty_directory(run: &Path) -> Result<PathBuf, ConfineError> {
    let directory = system::empty_directory(run);
    let step = format_args!("create the root directory {}", directory.display());
    system::make_empty(&directory).map_err(ConfineError::at(step))?;
    check_empty(&directory)?;
    Ok(directory)
}

/// Examines the directory that [`empty_directory`] would return, and changes
/// nothing.
///
/// # Errors
/// Why it cannot be the root directory of the engine.
pub fn examine_empty_directory(run: &Path) -> Result<PathBuf, ConfineError> {
    let directory = system::empty_directory(run);
    let is_made_at_start = directory.starts_with(run) && !directory.exists();
    if !is_made_at_start {
        check_empty(&directory)?;
    }
    Ok(directory)
}

/// Keeps keys out of the swap space where the system can do that easily. Call it as
/// root. A failure is ignored.
pub fn lock_memory() {
    system::lock_memory();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_root_directory_is_named_with_the_command_that_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("empty");
        let text = check_empty(&missing).unwrap_err().to_string();
        let shown = missing.display();
        let todo = format!(
            "cannot use {shown} as root directory: run mkdir -m 755 {shown}: No such file"
        );
        assert!(text.starts_with(&todo), "{text}");
        assert!(examine_empty_directory(directory.path()).is_ok(), "it is made at the start");
    }
}
