//! Locks that prevent a second daemon, and let a new one wait until the old one has
//! ended.
//!
//! Two files in the run directory are locked. The parent locks `running` until it
//! is stopped: a daemon that finds it locked fails at once. Parent and keeper
//! share the lock of `doors` until both have ended: a daemon that finds it locked
//! waits, because doors are still being closed.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::unistd::geteuid;

use crate::sys::ours::is_ours;

/// How long a start waits for the run before it to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it tries.
const INTERVAL: Duration = Duration::from_millis(10);

/// Why a daemon cannot use the run directory.
#[derive(Debug)]
pub enum LockError {
    /// A running daemon uses it.
    Running(PathBuf),
    /// A stopping daemon did not end in time.
    Stopping(PathBuf),
    /// Others can write to it.
    Writable(PathBuf),
    /// A system call failed.
    System(PathBuf, io::Error),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(path) => {
                write!(f, "{} is held by a running daemon, stop it first", path.display())
            }
            Self::Stopping(path) => write!(
                f,
                "{} is still held by a daemon that is stopping, kill its processes",
                path.display()
            ),
            Self::Writable(path) => write!(
                f,
                "others can write to {path}, run chown {uid} {path} and chmod 0755 {path}",
                path = path.display(),
                uid = geteuid()
            ),
            Self::System(path, error) => {
                write!(f, "cannot use {}: {error}", path.display())
            }
        }
    }
}

/// The locks, held until dropped or until the process ends.
#[derive(Debug)]
pub struct Locks {
    running: Option<Flock<File>>,
    /// Never unlocked, because that would unlock it for the keeper, too. Closing
    /// the last descriptor does.
    doors: ManuallyDrop<Flock<File>>,
}

impl Locks {
    /// Creates the directory `run` if it is missing, and takes both locks.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(run: &Path) -> Result<Self, LockError> {
        create(run)?;
        let path = run.join("running");
        let running = lock(&path)?.ok_or(LockError::Running(path))?;
        let path = run.join("doors");
        let end = Instant::now() + PATIENCE;
        let doors = loop {
            match lock(&path)? {
                Some(doors) => break doors,
                None if Instant::now() < end => std::thread::sleep(INTERVAL),
                None => return Err(LockError::Stopping(path)),
            }
        };
        Ok(Self { running: Some(running), doors: ManuallyDrop::new(doors) })
    }

    /// Unlocks `running`: a daemon that is started now waits until this one has
    /// ended.
    pub fn unlock_running(&mut self) {
        self.running = None;
    }

    /// Returns a descriptor of the lock of `doors`, for the keeper.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.doors.as_fd().try_clone_to_owned()
    }
}

/// Creates the run directory, and checks that only we can write to it.
fn create(run: &Path) -> Result<(), LockError> {
    let cannot = |error| LockError::System(run.into(), error);
    DirBuilder::new().recursive(true).mode(0o755).create(run).map_err(cannot)?;
    let found = fs::metadata(run).map_err(cannot)?;
    if is_ours(&found) { Ok(()) } else { Err(LockError::Writable(run.into())) }
}

/// Locks a file; `None` if another process holds the lock.
fn lock(path: &Path) -> Result<Option<Flock<File>>, LockError> {
    let cannot = |error| LockError::System(path.into(), error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(path).map_err(cannot)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EAGAIN)) => Ok(None),
        Err((_, error)) => Err(cannot(error.into())),
    }
}
