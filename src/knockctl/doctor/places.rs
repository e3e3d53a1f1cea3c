//! Directories, key files, and the account of the engine.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::core::finding::Finding;

/// The most key files that are checked.
const MAX_FILES: usize = 10_000;

/// What a file or directory is, and who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The user id of the owner.
    pub uid: u32,
    /// The permissions.
    pub mode: u32,
}

impl Attributes {
    /// Returns those of `path`, following symbolic links.
    ///
    /// # Errors
    /// The system's.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self {
            is_directory: metadata.is_dir(),
            uid: metadata.uid(),
            mode: metadata.mode() & 0o7777,
        })
    }

    /// What is wrong with the owner, who must be root or `own`.
    fn owner_fault(self, path: &Path, own: u32) -> Option<String> {
        let (path, uid) = (path.display(), self.uid);
        (uid != 0 && uid != own)
            .then(|| format!("{path} belongs to user id {uid}: run `chown 0 {path}`"))
    }
}

/// Checks that a directory exists, belongs to root or to `own`, and has no
/// permission beyond `allowed`.
pub fn directory(
    subject: &str,
    path: &Path,
    attributes: &io::Result<Attributes>,
    allowed: u32,
    own: u32,
) -> Finding {
    let shown = path.display();
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!(
                "{shown} is missing: run `mkdir -p {shown}` and `chmod {allowed:o} {shown}`"
            );
            return Finding::error(subject, text);
        }
        Err(error) => {
            return Finding::warning(subject, format!("cannot examine {shown}: {error}"));
        }
    };
    let mode = attributes.mode;
    if !attributes.is_directory {
        return Finding::error(subject, format!("{shown} is not a directory: name one"));
    }
    if let Some(text) = attributes.owner_fault(path, own) {
        return Finding::error(subject, text);
    }
    if mode & !allowed != 0 {
        let text = format!("{shown} has mode {mode:04o}: run `chmod {allowed:o} {shown}`");
        return Finding::error(subject, text);
    }
    Finding::ok(subject, format!("{shown} has mode {mode:04o}"))
}

/// Returns the files in a directory, sorted by name. Skips files that disappear
/// meanwhile.
///
/// # Errors
/// The system's.
pub fn files(directory: &Path) -> io::Result<Vec<(PathBuf, Attributes)>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()?.take(MAX_FILES) {
        let path = entry?.path();
        if let Ok(attributes) = Attributes::of(&path) {
            files.push((path, attributes));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(files)
}

/// Reports the files among the secrets that others can read or replace, also
/// those that the configuration does not name.
#[must_use]
pub fn secrets(files: &[(PathBuf, Attributes)], own: u32) -> Vec<Finding> {
    let files = files.iter().filter(|(_, attributes)| !attributes.is_directory);
    let faults = files.filter_map(|(path, attributes)| {
        attributes.owner_fault(path, own).or_else(|| {
            let (path, mode) = (path.display(), attributes.mode);
            (mode & !0o640 != 0).then(|| {
                format!(
                    "{path} is open to others, mode {mode:04o}: run `chmod 600 {path}`, and \
                     replace the key"
                )
            })
        })
    });
    faults.map(|text| Finding::error("secrets", text)).collect()
}

/// Checks the account `name` of the engine, which has the user id `uid`.
pub fn account(name: &str, uid: &Result<Option<u32>, String>) -> Finding {
    let subject = "user";
    match uid {
        Ok(Some(0)) => Finding::error(
            subject,
            format!("{name} has root's rights: create a user that has none"),
        ),
        Ok(Some(uid)) => Finding::ok(subject, format!("{name} exists, user id {uid}")),
        Ok(None) => Finding::error(
            subject,
            format!("no user {name}, the engine cannot run without root's rights: create it"),
        ),
        Err(error) => Finding::warning(subject, format!("cannot look up {name}: {error}")),
    }
}
