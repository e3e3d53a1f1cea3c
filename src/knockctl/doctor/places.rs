//! Directories, key files, and the user that the engine becomes.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::core::finding::Finding;

/// The most key files that are looked at.
const MAX_FILES: usize = 10_000;

/// What a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Its owner.
    pub uid: u32,
    /// Its permissions.
    pub mode: u32,
}

/// Looks at `path`, behind symbolic links.
///
/// # Errors
/// The system's.
pub fn look(path: &Path) -> io::Result<Place> {
    let metadata = path.metadata()?;
    Ok(Place {
        is_directory: metadata.is_dir(),
        uid: metadata.uid(),
        mode: metadata.mode() & 0o7777,
    })
}

/// Whether a directory is there, belongs to root or to `own`, and has no
/// permission beyond `allowed`.
pub fn directory(
    subject: &str,
    path: &Path,
    seen: &io::Result<Place>,
    allowed: u32,
    own: u32,
) -> Finding {
    let path = path.display();
    let place = match seen {
        Ok(place) => place,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!(
                "{path} is not there: run `mkdir -p {path}` and `chmod {allowed:o} {path}`"
            );
            return Finding::error(subject, text);
        }
        Err(error) => {
            return Finding::warning(subject, format!("cannot examine {path}: {error}"));
        }
    };
    let Place { is_directory, uid, mode } = *place;
    if !is_directory {
        return Finding::error(subject, format!("{path} is no directory: name one"));
    }
    if uid != 0 && uid != own {
        let text = format!("{path} belongs to user id {uid}: run `chown 0 {path}`");
        return Finding::error(subject, text);
    }
    if mode & !allowed != 0 {
        let text = format!("{path} has mode {mode:04o}: run `chmod {allowed:o} {path}`");
        return Finding::error(subject, text);
    }
    Finding::ok(subject, format!("{path} has mode {mode:04o}"))
}

/// Files of a directory with what they are, in the order of their names.
/// Those that vanish meanwhile are left out.
///
/// # Errors
/// The system's.
pub fn files(directory: &Path) -> io::Result<Vec<(PathBuf, Place)>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()?.take(MAX_FILES) {
        let path = entry?.path();
        if let Ok(place) = look(&path) {
            files.push((path, place));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(files)
}

/// Files among the secrets that somebody else could read or replace, whether
/// the configuration names them or not.
#[must_use]
pub fn secrets(files: &[(PathBuf, Place)], own: u32) -> Vec<Finding> {
    let subject = "secrets";
    let files = files.iter().filter(|(_, place)| !place.is_directory);
    files
        .filter_map(|(path, place)| {
            let path = path.display();
            if place.uid != 0 && place.uid != own {
                let uid = place.uid;
                let text = format!("{path} belongs to user id {uid}: run `chown 0 {path}`");
                return Some(Finding::error(subject, text));
            }
            (place.mode & !0o640 != 0).then(|| {
                let mode = place.mode;
                let text = format!(
                    "{path} is open to others, mode {mode:04o}: run `chmod 600 {path}`, and \
                     change the key"
                );
                Finding::error(subject, text)
            })
        })
        .collect()
}

/// Whether the engine has a user of its own; `uid` is that of `name`.
pub fn account(name: &str, uid: &Result<Option<u32>, String>) -> Finding {
    let subject = "user";
    match uid {
        Ok(Some(0)) => {
            Finding::error(subject, format!("{name} is root: give it a user id of its own"))
        }
        Ok(Some(uid)) => Finding::ok(subject, format!("{name} is there, user id {uid}")),
        Ok(None) => Finding::error(
            subject,
            format!("there is no user {name}, the engine cannot leave root: add it"),
        ),
        Err(error) => Finding::warning(subject, format!("cannot look up {name}: {error}")),
    }
}
