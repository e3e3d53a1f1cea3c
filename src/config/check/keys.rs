//! Key files that a configuration names.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::config::authorized;
use crate::config::files::{Content, Files, MAX_TOTAL, Origin, Unread};
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration};
use crate::core::credential::Credential;
use crate::core::printable;
use crate::keyfile::{self, KeyBytes, KeyKind};

/// Where key files lie, and what was read of them.
pub struct Keys {
    directory: PathBuf,
    origin: Origin,
    files: Files,
}

impl Keys {
    /// Relative paths are relative to `directory`.
    pub fn new(directory: &Path, origin: Origin, files: Files) -> Self {
        Self { directory: directory.to_owned(), origin, files }
    }

    /// Everything that was read.
    pub fn into_files(self) -> Files {
        self.files
    }

    /// Checks that nobody else can put keys into the directory, if any is
    /// wanted from it.
    pub fn check_directory(&self, raw: &Configuration, at: Spot<'_>, report: &mut Report) {
        let is_in_file = |credential: &raw::Credential| {
            use raw::Credential::{AuthorizedKeys, Fwknop, Pyknock, Secret};
            matches!(credential, Secret(_) | AuthorizedKeys(_) | Fwknop { .. } | Pyknock(_))
        };
        let wanted = raw.spa.is_some()
            || raw.sequences.iter().any(|(_, _, sequence)| sequence.changing.is_some())
            || raw.users.iter().any(|(_, _, user)| is_in_file(&user.credential));
        if !wanted || self.origin == Origin::Memory {
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

    /// Whether the file at `path` lies in the directory of the keys itself.
    pub fn holds(&self, path: &str) -> bool {
        self.directory.join(path).parent() == Some(&self.directory)
    }

    /// The key of the wanted kind in the file at `path`.
    pub fn read(
        &mut self,
        path: &str,
        wanted: KeyKind,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Option<KeyBytes> {
        let path = self.place(path, at, report)?;
        let read = match self.origin {
            Origin::Disk => self.files.read(&path),
            Origin::Memory => self.files.key(&path).map_err(Unread::File),
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
        self.read_lines(path, Content::Public, authorized::parse_file, at, report)
            .unwrap_or_default()
    }

    /// What `parse` makes of the file at `path`; it tells in which line it is
    /// wrong, 0 being no line, and why.
    pub fn read_lines<T>(
        &mut self,
        path: &str,
        content: Content,
        parse: impl FnOnce(&[u8]) -> Result<T, (usize, String)>,
        at: Spot<'_>,
        report: &mut Report,
    ) -> Option<T> {
        let path = self.place(path, at, report)?;
        let text = match self.files.read_bytes(&path, content, self.origin) {
            Ok(bytes) => match parse(bytes) {
                Ok(read) => return Some(read),
                Err((0, why)) => format!("{}: {why}", path.display()),
                Err((line, why)) => format!("{}:{line}: {why}", path.display()),
            },
            Err(unread) => unread.text(&path),
        };
        report.error(at, text);
        None
    }

    /// Where the file lies that a configuration calls `path`.
    fn place(&self, path: &str, at: Spot<'_>, report: &mut Report) -> Option<PathBuf> {
        if keyfile::looks_like_key(path) {
            let text = "this seems to be a key itself: put it into a file of mode 0600, \
                        name that, and replace the key, it has been seen";
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
