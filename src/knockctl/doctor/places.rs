//! Directories, key files, and the account of the engine.
#![forbid(unsafe_code)]

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::core::finding::Finding;
use crate::sys::confine::ConfineError;
use crate::sys::ours::{self, Fault};

/// The most key files that are checked.
const MAX_FILES: usize = 10_000;

/// Checks that a directory exists, belongs to root or to us, and has no permission
/// beyond `allowed`.
pub fn directory(
    subject: &str,
    path: &Path,
    metadata: &io::Result<Metadata>,
    allowed: u32,
) -> Finding {
    let shown = path.display();
    match metadata {
        Ok(metadata) if !metadata.is_dir() => {
            Finding::error(subject, format!("{shown} is not a directory: name one"))
        }
        Ok(metadata) => match ours::check(metadata, allowed) {
            Ok(()) => {
                let mode = metadata.mode() & 0o7777;
                Finding::ok(subject, format!("{shown} has mode {mode:04o}"))
            }
            Err(fault) => Finding::error(subject, advice(path, fault, allowed)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!(
                "{shown} is missing: run `mkdir -p {shown}` and `chmod {allowed:o} {shown}`"
            );
            Finding::error(subject, text)
        }
        Err(error) => Finding::warning(subject, format!("cannot examine {shown}: {error}")),
    }
}

/// Judges the directory that becomes the engine's root directory.
pub fn root_of_engine(examined: &Result<PathBuf, ConfineError>) -> Finding {
    match examined {
        Ok(directory) => Finding::ok("empty", format!("{} can be used", directory.display())),
        Err(error) => Finding::error("empty", error.to_string()),
    }
}

/// Returns the files in a directory, sorted by name. Skips files that disappear
/// meanwhile.
///
/// # Errors
/// The system's.
pub fn files(directory: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()?.take(MAX_FILES) {
        let path = entry?.path();
        if let Ok(metadata) = path.metadata() {
            files.push((path, metadata));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(files)
}

/// Reports the files among the secrets that others can read or replace, also
/// those that the configuration does not name.
#[must_use]
pub fn secrets(files: &[(PathBuf, Metadata)]) -> Vec<Finding> {
    let files = files.iter().filter(|(_, metadata)| !metadata.is_dir());
    let faults = files.filter_map(|(path, metadata)| {
        let fault = ours::check(metadata, 0o600).err()?;
        Some(format!("{}, and replace the key", advice(path, fault, 0o600)))
    });
    faults.map(|text| Finding::error("secrets", text)).collect()
}

/// What is wrong with `path`, and the command that gives it an owner or the mode
/// `wanted`.
fn advice(path: &Path, fault: Fault, wanted: u32) -> String {
    let path = path.display();
    match fault {
        Fault::Owner(uid) => format!("{path} belongs to user id {uid}: run `chown 0 {path}`"),
        Fault::Mode(mode) => {
            format!("{path} is open to others, mode {mode:04o}: run `chmod {wanted:o} {path}`")
        }
    }
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
