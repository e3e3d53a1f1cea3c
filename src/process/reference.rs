//! Keeps pf enabled while the daemon runs, by a reference that macOS counts.
//!
//! The number of a reference outlives the process, so it is recorded in a file:
//! the next run releases what a crash left.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::firewall::{Firewall, FirewallError};

/// A reference that pf counts.
#[derive(Debug)]
pub struct Reference {
    file: PathBuf,
    number: u64,
    /// Keeps a second daemon from releasing it.
    _lock: Flock<File>,
}

impl Reference {
    /// Enables pf, has its ruleset call our anchor, and records the reference in
    /// the directory `run`, which is created if it is missing.
    ///
    /// # Errors
    /// The firewall's, or why the reference could not be recorded. Then no new one
    /// is held, and those of an earlier run stay in the file.
    pub fn take(firewall: &mut dyn Firewall, run: &Path) -> Result<Self, String> {
        let file = run.join("pf.references");
        let cannot = |error: io::Error| format!("cannot write {}: {error}", file.display());
        DirBuilder::new().recursive(true).mode(0o700).create(run).map_err(cannot)?;
        let lock = lock(&run.join("pf.lock")).map_err(cannot)?;
        let left = read(&file);
        // Before the old ones are released: pf must not be disabled in between.
        let number = firewall.enable().map_err(|error| error.to_string())?;
        let mut all = left.clone();
        all.push(number);
        let recorded = write(&file, &all)
            .map_err(cannot)
            .and_then(|()| firewall.call_anchor().map_err(|error| error.to_string()));
        if let Err(why) = recorded {
            return Err(match firewall.release(number) {
                Ok(()) => write(&file, &left).map_or_else(cannot, |()| why),
                Err(error) => format!("{why}; {error}"),
            });
        }
        // One that cannot be released now stays in the file for the next run.
        all.retain(|one| *one == number || firewall.release(*one).is_err());
        write(&file, &all).map_err(cannot)?;
        Ok(Self { file, number, _lock: lock })
    }

    /// Releases it; pf is disabled if no other program holds a reference.
    ///
    /// # Errors
    /// The firewall's. Then it stays in the file for the next run.
    pub fn give_back(self, firewall: &mut dyn Firewall) -> Result<(), FirewallError> {
        firewall.release(self.number)?;
        let mut left = read(&self.file);
        left.retain(|one| *one != self.number);
        // One that stays in a file that cannot be written is unknown to pf now,
        // and releasing it again is no error.
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

/// The references in the file, one a line.
fn read(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Replaces the file; removes it when there is no reference.
fn write(file: &Path, references: &[u64]) -> io::Result<()> {
    if references.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let new = file.with_extension("new");
    let mut options = File::options();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    for number in references {
        writeln!(out, "{number}")?;
    }
    out.sync_all()?;
    fs::rename(new, file)
}
