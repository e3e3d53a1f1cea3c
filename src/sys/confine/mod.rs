//! Takes from each process what it does not need, for good.
//!
//! The engine keeps its channel, descriptor 0, the capture descriptors that
//! come through it, memory and time. Whatever fails here is fatal: the caller
//! ends.
//!
//! The runner keeps what a user has who owns nothing: it starts programs that
//! we do not know, and is as strong as they are.
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
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chroot, geteuid};

use super::forbid_core_files;
use super::here::confine as system;
use super::ours::is_ours;
pub use account::Account;

/// Descriptors that the engine may have: one per interface, and a duplicate
/// of each while it takes them over.
const DESCRIPTORS: rlim_t = 256;

/// Why a process is not confined. Names the step.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    pub(super) fn new(step: impl Display, error: impl Into<io::Error>) -> Self {
        Self(format!("cannot {step}: {}", error.into()))
    }

    /// What is wrong without the system having said so.
    pub fn because(text: impl Display) -> Self {
        Self(text.to_string())
    }

    /// Names the step that fails, if it does.
    pub(super) fn at<E: Into<io::Error>>(step: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(step, error)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Where the engine lives.
#[derive(Debug)]
pub struct Cell<'a> {
    /// Its root directory: empty, and nobody's to write in but root's.
    pub directory: &'a Path,
    /// Whom it becomes. None is for trying out, with tables in memory: the
    /// user stays, and without root's rights the root directory does, too.
    pub account: Option<&'a Account>,
}

/// What keeper still opens after its start.
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

/// What parent still opens after its start.
#[derive(Debug)]
pub struct ParentPaths<'a> {
    /// The directory of the configuration, read at reload.
    pub config: &'a Path,
    /// The directory of the keys, read at reload.
    pub secrets: &'a Path,
    /// The directory of leases and locks.
    pub run: &'a Path,
    /// The file that tells rc.d whom to signal, removed at the end.
    pub pidfile: Option<&'a Path>,
    /// The program that it starts again when a child dies.
    pub program: &'a Path,
}

/// Confines the engine. Descriptor 0 is its channel; capture descriptors may
/// be there already or come later, all others should be closed. No thread may
/// run, and no other file is opened from here on.
///
/// # Errors
/// The first step that fails; the process is then confined in part, and must
/// end.
pub fn engine(cell: &Cell<'_>) -> Result<(), Error> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(Error::at("unblock signals"))?;
    limit()?;
    if cell.account.is_some() && !geteuid().is_root() {
        return Err(Error::because("cannot confine the engine, start knockd as root"));
    }
    system::prepare();
    if geteuid().is_root() {
        enter(cell.directory)?;
    }
    if let Some(account) = cell.account {
        system::become_user(account)?;
        way_back::is_closed(account)?;
    }
    // Linux lets a process that changed its user be traced and dumped anew.
    forbid_core_files().map_err(Error::at("forbid core files"))?;
    system::sandbox()
}

/// No core, no file that grows, no new process, few descriptors.
fn limit() -> Result<(), Error> {
    forbid_core_files().map_err(Error::at("forbid core files"))?;
    system::forbid_processes().map_err(Error::at("forbid processes"))?;
    for (resource, name, most) in [
        (Resource::RLIMIT_FSIZE, "the size of files", 0),
        (Resource::RLIMIT_NOFILE, "the number of descriptors", DESCRIPTORS),
    ] {
        // A lower limit is as good, and only root can raise it.
        let most = getrlimit(resource).map_or(most, |(_, hard)| hard.min(most));
        setrlimit(resource, most, most)
            .map_err(Error::at(format_args!("limit {name} to {most}")))?;
    }
    Ok(())
}

/// Makes `directory` the root directory.
fn enter(directory: &Path) -> Result<(), Error> {
    let shown = directory.display();
    is_bare(directory).map_err(|error| {
        Error::because(format_args!("cannot use {shown} as root directory: {error}"))
    })?;
    chroot(directory).map_err(Error::at(format_args!("change the root to {shown}")))?;
    std::env::set_current_dir("/").map_err(Error::at(format_args!("enter {shown}")))?;
    // Every system has one where the root directory is the real one.
    for path in ["/etc/passwd", "../etc/passwd", "../../../../etc/passwd"] {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Err(Error::because(format_args!("{path} is seen from {shown}"))),
        }
    }
    Ok(())
}

/// Whether nothing is in `directory`, and only root can put something there.
fn is_bare(directory: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(directory)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("not a directory, remove it"));
    }
    if !is_ours(&metadata) {
        return Err(io::Error::other(
            "others can write there, chown it to root and chmod it 755",
        ));
    }
    if fs::read_dir(directory)?.next().is_some() {
        return Err(io::Error::other("not empty, remove what is in it"));
    }
    Ok(())
}

/// Confines the runner: from here on it is `account`, with no way back. None
/// is for trying out without root's rights. What it starts inherits this, and
/// no descriptor. No thread may run.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn runner(account: Option<&Account>) -> Result<(), Error> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(Error::at("unblock signals"))?;
    if account.is_none() && geteuid().is_root() {
        return Err(Error::because("cannot run commands as root, name another user"));
    }
    system::restore_memory_limit().map_err(Error::at("limit locked memory"))?;
    if let Some(account) = account {
        system::become_user(account)?;
        way_back::is_closed(account)?;
    }
    umask(Mode::from_bits_truncate(0o022));
    std::env::set_current_dir("/").map_err(Error::at("enter /"))?;
    // Linux lets a process that changed its user be traced by that user.
    forbid_core_files().map_err(Error::at("forbid core files"))?;
    system::runner()
}

/// Confines keeper: root, for the packet filter asks for no less. No thread
/// may run.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn keeper(paths: &KeeperPaths<'_>) -> Result<(), Error> {
    forbid_core_files().map_err(Error::at("forbid core files"))?;
    system::keeper(paths)
}

/// Confines parent: root, for it shuts what a dead keeper left open. No thread
/// may run.
///
/// # Errors
/// The first step that fails; the process must end.
pub fn parent(paths: &ParentPaths<'_>) -> Result<(), Error> {
    forbid_core_files().map_err(Error::at("forbid core files"))?;
    system::parent(paths)
}

/// Takes from a capture descriptor what reading it does not need. Where rights
/// belong to descriptors (FreeBSD), they cannot be given back, not to
/// duplicates made of it either: whoever needs more keeps an earlier one.
///
/// # Errors
/// The kernel's refusal.
pub fn limit_capture(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    system::limit_capture(descriptor)
}

/// A directory for the engine to live in: the system's own, or one made below
/// `run`. That it is empty is checked by [`engine`], too.
///
/// # Errors
/// When it cannot be made, or when others can write there.
pub fn empty_directory(run: &Path) -> io::Result<PathBuf> {
    let directory = system::empty_directory(run)?;
    is_bare(&directory)?;
    Ok(directory)
}

/// Keeps keys out of the swap space, as far as that is cheap; to be called as
/// root. Whether it worked is not told: it is no promise.
pub fn lock_memory() {
    system::lock_memory();
}
