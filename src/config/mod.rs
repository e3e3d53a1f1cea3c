//! Reads a configuration from RON text and checks it. knockd.ron(5) describes the
//! format.
//!
//! RON reads the text into the types of `raw`; `check` checks their meaning, and
//! [`position`] finds the places of errors. The result is the first error of
//! syntax or type, or else every error of meaning.
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ron::Options;
use ron::extensions::Extensions;
use zeroize::Zeroizing;

use crate::core::hash;
use crate::core::interface::Selection;
use crate::core::policy::{OnRemove, Policy};
use crate::core::sequence::SequenceIndex;
use crate::core::text::unmarked;
use crate::firewall::Choice;
use crate::sys::ours::{self, Unread};
use files::KeySource;
use position::{Index, Place};

mod authorized;
mod check;
pub mod date;
mod files;
mod lexer;
#[cfg(feature = "legacy")]
mod older_keys;
mod one_time;
pub mod position;
mod problem;
mod raw;
mod syntax;

pub use check::weakness;
pub use files::{Files, MAX_TOTAL};
pub use problem::{Problem, Problems};

/// Larger files are refused; ten thousand users fit.
pub const MAX_LENGTH: u64 = 4 << 20;

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Config {
    /// The server's name, 1 to 64 bytes of a-z 0-9 . and -.
    pub name: String,
    /// The files of the gate keys, as they are written; the newest first.
    pub gate_keys: Vec<String>,
    /// The files of one-time sequences.
    pub lists: Vec<(SequenceIndex, PathBuf)>,
    /// Doors, users and sequences.
    pub policy: Arc<Policy>,
    /// The interfaces to capture on; at least one, none twice.
    pub interfaces: Vec<Selection>,
    /// The packet filter that has the tables.
    pub firewall: Choice,
    /// Whether to create missing tables.
    pub create_tables: bool,
    /// Whether to keep pf enabled by a reference, as macOS counts them.
    pub enable_pf: bool,
    /// The directories.
    pub directories: Directories,
    /// What a reload does with leases whose door or user is removed.
    pub on_remove: OnRemove,
    /// The account of the engine: 1 to 32 bytes of letters, digits, _ . and -, not
    /// root. It may not exist.
    pub user: String,
    /// How to run the doors' commands; none when no door has any.
    pub runner: Option<RunnerConfig>,
    /// What is valid but doubtful.
    pub warnings: Problems,
    /// The bytes that all of this was read from.
    pub files: Files,
}

/// How to run commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerConfig {
    /// The account to run them as: a name as [`Config::user`], but not the same.
    pub user: String,
    /// How long each may take, 1s to 10m.
    pub time_limit: Duration,
}

/// The directories; absolute paths, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// For key files.
    pub secrets: PathBuf,
    /// For what must survive a boot: the replay journal.
    pub state: PathBuf,
    /// For what must not: leases and the control socket.
    pub run: PathBuf,
}

/// Reads the configuration at `path`, and the key files that it names.
///
/// # Errors
/// The first error of syntax or type, or else every error of meaning.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let bytes = read(path)?;
    let text = utf8(path, &bytes)?;
    // The default for secrets is next to the file, not in the working directory.
    let absolute = std::path::absolute(path).map_err(|error| cannot_read(path, &error))?;
    parse(text, path, absolute.parent().unwrap_or(Path::new("/")))
}

/// Reads a file that only root and we can write to and replace.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problems> {
    let shown = path.display();
    let refused = |text| Err(Problems::one(path, None, text));
    let bytes = match ours::read(path, 0o755, MAX_LENGTH as usize) {
        Ok(bytes) => bytes,
        Err(Unread::Failed(_, error)) => return Err(cannot_read(path, &error)),
        Err(Unread::Fault(fault)) => {
            return refused(format!("configuration {}", fault.text(path, "644")));
        }
        Err(Unread::Irregular) => {
            let text = "is not a regular file, name another file";
            return refused(format!("configuration {shown} {text}"));
        }
        Err(Unread::Large) => {
            let text = format!("exceeds {MAX_LENGTH} bytes, name another file");
            return refused(format!("configuration {shown} {text}"));
        }
    };
    match ours::fault_above(path) {
        None => Ok(bytes),
        Some((place, fault)) => {
            let why = fault.text(&place, "go-w");
            refused(format!("others can replace configuration {shown}: {why}"))
        }
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Problems {
    let path_shown = path.display();
    let hint = match error.kind() {
        io::ErrorKind::NotFound => format!(", create it with knockctl setup -f {path_shown}"),
        _ => String::new(),
    };
    let text = format!("cannot read configuration {path_shown}{hint}: {error}");
    Problems::one(path, None, text)
}

/// Checks `text` as the content of `file` in `directory`; reads the key files that
/// it names.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path, directory: &Path) -> Result<Config, Problems> {
    interpret(text, KeySource::Disk, Files::new(file, directory, text.as_bytes()))
}

/// Checks what this process or another read before. Does not use the file system,
/// so the result is that of the first reading.
///
/// # Errors
/// As [`load`], except what only the file system knows.
pub fn parse_files(files: &Files) -> Result<Config, Problems> {
    interpret(utf8(files.path(), files.text())?, KeySource::Memory, files.clone())
}

/// Finds the user `name` in the configuration at `path`.
///
/// # Errors
/// When the file cannot be read or parsed; the meaning is not checked.
pub fn stanza_of_user(path: &Path, name: &str) -> Result<Option<Place>, Problems> {
    let bytes = read(path)?;
    let text = utf8(path, &bytes)?;
    let raw = parse_ron(text, path)?;
    let index = Index::new(text);
    let found = raw.users.iter().find(|(_, user, _)| *user == name);
    Ok(found.map(|(ordinal, ..)| index.root().field("users").entry(ordinal).place()))
}

/// The fingerprint of a configuration: 16 hexadecimal digits, the first 8 bytes of
/// SHA3-256("configuration" | text).
#[must_use]
pub fn fingerprint(text: &[u8]) -> String {
    format!("{:016x}", u64::from_be_bytes(hash::id("configuration", &[unmarked(text)])))
}

/// Checks a line of authorized_keys.
///
/// # Errors
/// What is wrong, in one line that repeats no key.
pub fn check_authorized_key(line: &str) -> Result<(), String> {
    authorized::parse_line(line).map(drop)
}

fn interpret(text: &str, source: KeySource, files: Files) -> Result<Config, Problems> {
    let raw = parse_ron(text, files.path())?;
    check::configuration(&raw, Index::new(text).root(), source, files)
}

fn parse_ron(text: &str, path: &Path) -> Result<raw::Configuration, Problems> {
    let options = Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|error| {
        let (place, text) = syntax::reword(&error);
        Problems::one(path, Some(place), text)
    })
}

/// The text in the bytes of `file`.
fn utf8<'b>(file: &Path, bytes: &'b [u8]) -> Result<&'b str, Problems> {
    let bytes = unmarked(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid =
            String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        Problems::one(file, Some(end_of(&valid)), "the text is not UTF-8")
    })
}

/// The place after the last character of `text`.
fn end_of(text: &str) -> Place {
    let line = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.split('\n').count(), column: line.chars().count() + 1 }
}
