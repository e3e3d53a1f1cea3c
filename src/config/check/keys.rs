//! Key files that a configuration names.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::config::files::{Files, MAX_TOTAL, Unread};
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{Configuration, Credential};
use crate::keyfile::{self, Key, Kind};

/// Where the bytes of key files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From the disk, and are kept.
    Disk,
    /// From an earlier reading, which judged who can read and replace them.
    Memory,
}

/// Where key files lie, and what was read of them.
pub struct Keys {
    directory: PathBuf,
    source: Source,
    files: Files,
}

impl Keys {
    /// Relative paths are relative to `directory`.
    pub fn new(directory: &Path, source: Source, files: Files) -> Self {
        Self { directory: directory.to_owned(), source, files }
    }

    /// Everything that was read.
    pub fn into_files(self) -> Files {
        self.files
    }

    /// Checks that nobody else can put keys into the directory, if any is
    /// wanted from it.
    pub fn check_directory(&self, raw: &Configuration, at: Spot<'_>, report: &mut Report) {
        let holds_secret =
            |credential: &Credential| matches!(credential, Credential::Secret(_));
        let wanted = raw.spa.is_some()
            || raw.users.iter().any(|(_, _, user)| holds_secret(&user.credential));
        if !wanted || self.source == Source::Memory {
            return;
        }
        match keyfile::check_directory(&self.directory) {
            // Every key file that is wanted from it is reported as missing.
            Err(error) if error.is_missing() => {}
            Err(error) => {
                report.error(at.field("directories").field("secrets"), error.to_string());
            }
            Ok(()) => {}
        }
    }

    /// The key of the wanted kind in the file at `path`.
    pub fn read(
        &mut self,
        path: &str,
        wanted: Kind,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Option<Key> {
        if keyfile::looks_like_key(path) {
            let text = "this seems to be a key itself: put it into a file of mode 0600, \
                        name that, and replace the key, it has been seen";
            report.error(at, text);
            return None;
        }
        if path.chars().any(char::is_control) {
            report.error(at, "the path of a key file must be printable");
            return None;
        }
        let path = self.directory.join(path);
        let read = match self.source {
            Source::Disk => self.files.read(&path),
            Source::Memory => self.files.key(&path).map_err(Unread::File),
        };
        match read {
            Ok(file) if file.kind == wanted => Some(file.key),
            Ok(file) => {
                let path = path.display();
                report
                    .error(at, format!("{path} is a {} file, name a {wanted} file", file.kind));
                None
            }
            Err(Unread::File(error)) => {
                report.error(at, error.to_string());
                None
            }
            Err(Unread::Large) => {
                let path = path.display();
                let text = format!(
                    "with {path} the key files exceed {MAX_TOTAL} bytes, shorten their comments"
                );
                report.error(at, text);
                None
            }
        }
    }
}
