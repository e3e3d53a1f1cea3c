//! Keeps a second daemon out, and has a new one wait for the old one's end.
//!
//! Two files in the run directory are locked. `running` by the parent, until
//! it is told to stop: who finds it locked is refused at once. `doors` by
//! parent and keeper together, until both are gone: who finds it locked waits,
//! for somebody is still shutting doors.

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

/// How long a start waits for the end of the run before it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// Why a daemon cannot have the run directory for itself.
#[derive(Debug)]
pub enum LockError {
    /// Another has it.
    Running(PathBuf),
    /// Another has not given it up in time.
    Stopping(PathBuf),
    /// It is not ours alone.
    Foreign(PathBuf),
    /// The system's word.
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
                "{} is still held by a daemon that ends, stop its processes",
                path.display()
            ),
            Self::Foreign(path) => write!(
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
    /// Never unlocked, which would unlock it for the keeper, too: it ends with
    /// the last descriptor.
    doors: ManuallyDrop<Flock<File>>,
}

impl Locks {
    /// Makes the directory `run` if it is missing, and takes both locks.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(run: &Path) -> Result<Self, LockError> {
        make(run)?;
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

    /// Lets a daemon that is started now wait for our end.
    pub fn leave(&mut self) {
        self.running = None;
    }

    /// What the keeper holds, too.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.doors.as_fd().try_clone_to_owned()
    }
}

/// Makes the run directory, and checks that nobody else can write to it.
fn make(run: &Path) -> Result<(), LockError> {
    let cannot = |error| LockError::System(run.into(), error);
    DirBuilder::new().recursive(true).mode(0o755).create(run).map_err(cannot)?;
    let found = fs::metadata(run).map_err(cannot)?;
    if is_ours(&found) { Ok(()) } else { Err(LockError::Foreign(run.into())) }
}

/// The lock of a file; `None` while another has it.
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
