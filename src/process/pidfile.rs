//! The file with the process ID of the daemon, for rc(8).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// A locked file with our process ID, removed when dropped.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Pidfile {
    /// Writes the process ID to `path`, and locks it.
    ///
    /// # Errors
    /// When it cannot be written, or a running daemon has locked it.
    pub fn write(path: &Path) -> io::Result<Self> {
        // The daemon changes its working directory.
        let path = std::path::absolute(path)?;
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(named)?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            let text = format!("{} is held by a running daemon, stop it first", path.display());
            io::Error::new(io::ErrorKind::AlreadyExists, text)
        })?;
        lock.set_len(0).map_err(named)?;
        writeln!(lock, "{}", std::process::id()).map_err(named)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it lies; an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // The lock is still held, so this is no other daemon's file.
        drop(std::fs::remove_file(&self.path));
    }
}
