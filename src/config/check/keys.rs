//! Key files that a configuration names.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::config::authorized;
use crate::config::files::{Files, MAX_TOTAL, Source, Unread};
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration};
use crate::core::credential::Credential;
use crate::keyfile::{self, Key, Kind};

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
        let is_in_file = |credential: &raw::Credential| {
            use raw::Credential::{AuthorizedKeys, Secret};
            matches!(credential, Secret(_) | AuthorizedKeys(_))
        };
        let wanted = raw.spa.is_some()
            || raw.users.iter().any(|(_, _, user)| is_in_file(&user.credential));
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
        let path = self.place(path, at, report)?;
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
            Err(unread) => {
                report.error(at, unread.text(&path));
                None
            }
        }
    }

    /// The credentials in the file of authorized_keys lines at `path`; empty
    /// when anything is wrong with it.
    pub fn read_authorized(
        &mut self,
        path: &str,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Vec<Credential> {
        let Some(path) = self.place(path, at, report) else { return Vec::new() };
        let bytes = match self.files.read_public(&path, self.source) {
            Ok(bytes) => bytes,
            Err(unread) => {
                report.error(at, unread.text(&path));
                return Vec::new();
            }
        };
        authorized::parse_file(bytes).unwrap_or_else(|(line, why)| {
            let path = path.display();
            let text = if line == 0 {
                format!("{path}: {why}")
            } else {
                format!("{path}:{line}: {why}")
            };
            report.error(at, text);
            Vec::new()
        })
    }

    /// Where the file lies that a configuration calls `path`.
    fn place(&self, path: &str, at: Spot<'_>, report: &mut Report) -> Option<PathBuf> {
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
        Some(self.directory.join(path))
    }
}

impl Unread {
    fn text(&self, path: &Path) -> String {
        match self {
            Self::File(error) => error.to_string(),
            Self::Large => {
                let path = path.display();
                format!(
                    "with {path} the key files exceed {MAX_TOTAL} bytes, shorten their comments"
                )
            }
        }
    }
}
