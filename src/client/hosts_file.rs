//! Adds servers to hosts.ron and leaves the rest of the file unchanged.
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ClientError;
use super::hosts::{Host, find, parse, read};
use crate::enrolment::Enrolment;

/// The entries of the enrolled server, with their names: one server may have
/// entries for several addresses.
///
/// # Errors
/// When the file exists but cannot be read or parsed, and when all servers of
/// that name are others.
pub fn known(file: &Path, enrolment: &Enrolment) -> Result<Vec<(String, Host)>, ClientError> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(ClientError::new(format!("cannot read {}: {error}", file.display())));
        }
    };
    // Servers name themselves, so two may do it alike.
    let (same, others): (Vec<_>, Vec<_>) = parse(file, &text)?
        .0
        .into_iter()
        .filter(|(_, host)| host.name.as_str() == enrolment.name)
        .partition(|(_, host)| {
            host.address == enrolment.address || host.port == enrolment.port
        });
    if let ([], [(name, other), ..]) = (&same[..], &others[..]) {
        let (server, file) = (&enrolment.name, file.display());
        return Err(ClientError::new(format!(
            "server {server} is already in {file} as {name}, at {} port {}: remove it first",
            other.address, other.port
        )));
    }
    same.into_iter().map(|(name, _)| Ok((name.clone(), find(file, &name)?))).collect()
}

/// Adds `entry`, the text of the host `name`, to the hosts file, and creates the
/// file if it is missing. The rest stays as it is, comments included.
///
/// # Errors
/// When there is such a host, or the file cannot be read, parsed or written.
pub fn add(file: &Path, name: &str, entry: &str) -> Result<(), ClientError> {
    let failed = |error| ClientError::new(format!("cannot write {}: {error}", file.display()));
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => "{\n}\n".into(),
        Err(error) => return Err(failed(error)),
    };
    let before = parse(file, &text)?;
    if before.0.contains_key(name) {
        return Err(ClientError::new(format!(
            "host {name} is already in {}, for another server: give another name",
            file.display()
        )));
    }
    let is_whole = |text: &String| {
        parse(file, text).is_ok_and(|after| {
            after.0.len() == before.0.len() + 1 && after.0.contains_key(name)
        })
    };
    let with = insertions(&text, entry).into_iter().find(is_whole).ok_or_else(|| {
        ClientError::new(format!(
            "cannot find the end of {}, add by hand\n{entry}",
            file.display()
        ))
    })?;
    replace(file, &with).map_err(failed)
}

/// `text` with `entry` before its last brace, the entry before it ended by a
/// comma or not.
fn insertions(text: &str, entry: &str) -> Vec<String> {
    let Some((body, end)) = text.rsplit_once('}') else { return Vec::new() };
    let body = body.trim_end();
    let mut found = vec![format!("{body}\n{entry}}}{end}")];
    if let Some((first, last)) = body.rsplit_once(')') {
        found.push(format!("{first}),{last}\n{entry}}}{end}"));
    }
    found
}

/// Replaces the file by `text`, whole or not at all. It keeps its mode.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let put = Put::replacing(file)?;
    let mut options = OpenOptions::new();
    let mut new = options.write(true).create_new(true).mode(0o600).open(&put.new)?;
    new.write_all(text.as_bytes())?;
    match fs::metadata(&put.old) {
        Ok(old) => fs::set_permissions(&put.new, old.permissions())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    put.replace()
}

/// A new file that replaces another one, or is removed when dropped.
pub struct Put {
    /// The path of the new file, which is unused.
    pub new: PathBuf,
    old: PathBuf,
}

impl Put {
    /// Prepares to replace `file`, which may be missing. A link stays a link.
    ///
    /// # Errors
    /// When the path cannot be resolved, or there are no random bytes.
    pub fn replacing(file: &Path) -> io::Result<Self> {
        let old = match file.canonicalize() {
            // A link that leads nowhere is no missing file.
            Err(error) if error.kind() == ErrorKind::NotFound && !file.is_symlink() => {
                std::path::absolute(file)?
            }
            found => found?,
        };
        let number = getrandom::u64().map_err(io::Error::other)?;
        let mut name = old.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{number:016x}"));
        Ok(Self { new: old.with_file_name(name), old })
    }

    /// Replaces the old file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn replace(self) -> io::Result<()> {
        File::open(&self.new)?.sync_all()?;
        fs::rename(&self.new, &self.old)?;
        File::open(self.old.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

impl Drop for Put {
    /// Does nothing after the replacement.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.new);
    }
}
