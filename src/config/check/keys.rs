//! The key files that a configuration names.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::config::authorized;
use crate::config::files::{Files, KeyContent, KeyReadError, KeySource, MAX_TOTAL};
use crate::config::position::Spot;
use crate::config::problem::{LineFault, Report};
use crate::config::raw::{self, Configuration};
use crate::core::credential::Credential;
use crate::core::printable;
use crate::keyfile::{self, KeyBytes, KeyKind};

/// Reads key files.
pub struct Keys {
    directory: PathBuf,
    source: KeySource,
    files: Files,
}

impl Keys {
    /// Creates a reader of files in `directory` that keeps their bytes in `files`.
    pub fn new(directory: &Path, source: KeySource, files: Files) -> Self {
        Self { directory: directory.to_owned(), source, files }
    }

    /// Returns everything that was read.
    pub fn into_files(self) -> Files {
        self.files
    }

    /// Checks that nobody else can add keys to the directory, if the configuration
    /// names key files.
    pub fn check_directory(&self, raw: &Configuration, at: Spot<'_>, report: &mut Report) {
        let is_in_file = |credential: &raw::Credential| {
            use raw::Credential::{AuthorizedKeys, Fwknop, Pyknock, Secret};
            matches!(credential, Secret(_) | AuthorizedKeys(_) | Fwknop { .. } | Pyknock(_))
        };
        let has_files = raw.spa.is_some()
            || raw.sequences.iter().any(|(_, _, sequence)| sequence.changing.is_some())
            || raw.users.iter().any(|(_, _, user)| is_in_file(&user.credential));
        if !has_files || self.source == KeySource::Memory {
            return;
        }
        match keyfile::check_directory(&self.directory) {
            // Every key file in it is reported as missing.
            Err(error) if error.is_missing() => {}
            Err(error) => {
                report.error(at.field("directories").field("secrets"), error.to_string());
            }
            Ok(()) => {}
        }
    }

    /// Whether the file at `path` is in the directory, not below or elsewhere.
    pub fn contains(&self, path: &str) -> bool {
        self.directory.join(path).parent() == Some(&self.directory)
    }

    /// Returns the key of the wanted kind in the file at `path`.
    pub fn read(
        &mut self,
        path: &str,
        wanted: KeyKind,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Option<KeyBytes> {
        let path = self.resolve(path, at, report)?;
        let shown = path.display();
        let read = self.files.read(&path, KeyContent::Secret, self.source);
        let text = match read
            .and_then(|bytes| keyfile::parse(&path, bytes).map_err(KeyReadError::File))
        {
            Ok(file) if file.kind == wanted => return Some(file.key),
            Ok(file) => format!("{shown} is a {} file, name a {wanted} file", file.kind),
            Err(error) => error.text(&path),
        };
        report.error(at, text);
        None
    }

    /// Returns the credentials in the file of authorized_keys lines at `path`;
    /// none when it has an error.
    pub fn read_authorized(
        &mut self,
        path: &str,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Vec<Credential> {
        self.read_lines(path, KeyContent::Public, authorized::parse_file, at, report)
            .unwrap_or_default()
    }

    /// Returns what `parse` makes of the file at `path`.
    pub fn read_lines<T>(
        &mut self,
        path: &str,
        content: KeyContent,
        parse: impl FnOnce(&[u8]) -> Result<T, LineFault>,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Option<T> {
        let path = self.resolve(path, at, report)?;
        let text = match self.files.read(&path, content, self.source) {
            Ok(bytes) => match parse(bytes) {
                Ok(parsed) => return Some(parsed),
                Err((0, why)) => format!("{}: {why}", path.display()),
                Err((line, why)) => format!("{}:{line}: {why}", path.display()),
            },
            Err(error) => error.text(&path),
        };
        report.error(at, text);
        None
    }

    /// The whole path of the file that a configuration calls `path`.
    fn resolve(&self, path: &str, at: Spot<'_>, report: &mut Report) -> Option<PathBuf> {
        if keyfile::looks_like_key(path) {
            let text = "this seems to be a key: store it in a file of mode 0600, name the file \
                        here, and replace the key, it may have been seen";
            report.error(at, text);
            return None;
        }
        if path.chars().any(printable::is_unprintable) {
            report.error(at, "the path of a key file must be printable");
            return None;
        }
        Some(self.directory.join(path))
    }
}

impl KeyReadError {
    fn text(&self, path: &Path) -> String {
        match self {
            Self::File(error) => error.to_string(),
            Self::Total => {
                let path = path.display();
                format!(
                    "with {path} the key files exceed {MAX_TOTAL} bytes, shorten their comments"
                )
            }
        }
    }
}
