//! Keeps pf enabled while the daemon runs, by a reference as macOS counts
//! them. The token outlives the process, so it is kept in a file: a run that
//! follows a crash gives back what the crash left.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::firewall::{Error, Firewall, pf};

/// A reference that pf counts.
#[derive(Debug)]
pub struct Reference {
    file: PathBuf,
    token: u64,
}

impl Reference {
    /// Has pf enabled and our anchor called, and keeps the token in the
    /// directory `run`, which is made if it is missing.
    ///
    /// # Errors
    /// The firewall's, or why the token could not be kept; nothing is held
    /// then.
    pub fn take(firewall: &mut dyn Firewall, run: &Path) -> Result<Self, String> {
        let file = run.join("pf.token");
        let left = read(&file);
        // Before the old one goes: pf must not be off in between.
        let token = firewall.enable().map_err(|error| error.to_string())?;
        let reference = Self { file, token };
        let kept = reference
            .keep(run)
            .map_err(|error| format!("cannot write {}: {error}", reference.file.display()))
            .and_then(|()| pf::call_anchor().map_err(|error| error.to_string()));
        if let Err(why) = kept {
            return match reference.give_back(firewall) {
                Ok(()) => Err(why),
                Err(error) => Err(format!("{why}; {error}")),
            };
        }
        if let Some(left) = left {
            firewall.release(left).map_err(|error| error.to_string())?;
        }
        Ok(reference)
    }

    /// Gives it back; pf is disabled if nobody else holds one.
    ///
    /// # Errors
    /// The firewall's. The token stays in its file then, for the next run.
    pub fn give_back(self, firewall: &mut dyn Firewall) -> Result<(), Error> {
        firewall.release(self.token)?;
        // A token in a file that cannot be removed is unknown to pf by now,
        // and giving it back again is no error.
        drop(fs::remove_file(&self.file));
        Ok(())
    }

    fn keep(&self, run: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(run)?;
        let new = self.file.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        writeln!(file, "{}", self.token)?;
        file.sync_all()?;
        fs::rename(new, &self.file)
    }
}

/// The token that a run before left, if one did.
fn read(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
