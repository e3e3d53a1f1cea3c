//! Keeps pf enabled while the daemon runs, by a reference as macOS counts
//! them. Its token outlives the process, so it is kept in a file: a run that
//! follows a crash gives back what the crash left.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::firewall::{Error, Firewall};

/// A reference that pf counts.
#[derive(Debug)]
pub struct Reference {
    file: PathBuf,
    token: u64,
    /// Keeps a second daemon from giving back what is ours.
    _lock: Flock<File>,
}

impl Reference {
    /// Has pf enabled and our anchor called, and keeps the token in the
    /// directory `run`, which is made if it is missing.
    ///
    /// # Errors
    /// The firewall's, or why the token could not be kept. Nothing new is held
    /// then, and what an earlier run left stays in the file.
    pub fn take(firewall: &mut dyn Firewall, run: &Path) -> Result<Self, String> {
        let file = run.join("pf.token");
        let cannot = |error: io::Error| format!("cannot write {}: {error}", file.display());
        DirBuilder::new().recursive(true).mode(0o700).create(run).map_err(cannot)?;
        let lock = lock(&run.join("pf.lock")).map_err(cannot)?;
        let left = read(&file);
        // Before the old ones go: pf must not be off in between.
        let token = firewall.enable().map_err(|error| error.to_string())?;
        let mut all = left.clone();
        all.push(token);
        let kept = write(&file, &all)
            .map_err(cannot)
            .and_then(|()| firewall.call_anchor().map_err(|error| error.to_string()));
        if let Err(why) = kept {
            return Err(match firewall.release(token) {
                Ok(()) => write(&file, &left).map_or_else(cannot, |()| why),
                Err(error) => format!("{why}; {error}"),
            });
        }
        // One that cannot be given back now stays in the file for the next run.
        all.retain(|one| *one == token || firewall.release(*one).is_err());
        write(&file, &all).map_err(cannot)?;
        Ok(Self { file, token, _lock: lock })
    }

    /// Gives it back; pf is disabled if nobody else holds one.
    ///
    /// # Errors
    /// The firewall's. The token stays in its file then, for the next run.
    pub fn give_back(self, firewall: &mut dyn Firewall) -> Result<(), Error> {
        firewall.release(self.token)?;
        let mut left = read(&self.file);
        left.retain(|one| *one != self.token);
        // A token in a file that cannot be written is unknown to pf by now,
        // and giving it back again is no error.
        drop(write(&self.file, &left));
        Ok(())
    }
}

fn lock(path: &Path) -> io::Result<Flock<File>> {
    let file =
        File::options().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| io::Error::other(format!("a running daemon holds it: {error}")))
}

/// The tokens in the file, one a line.
fn read(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Replaces the file; no file stands for no token.
fn write(file: &Path, tokens: &[u64]) -> io::Result<()> {
    if tokens.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let new = file.with_extension("new");
    let mut options = File::options();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    for token in tokens {
        writeln!(out, "{token}")?;
    }
    out.sync_all()?;
    fs::rename(new, file)
}
