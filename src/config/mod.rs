//! RON text to a checked configuration. The format stands in knockd.ron(5).
//!
//! Text becomes shapes (raw, by RON), shapes are checked for meaning (check),
//! and what a check finds is placed by [`position`]. A text has either its
//! first error of syntax or type, or every error of meaning.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
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
use files::Origin;
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
    /// The lists of sequences that are used once, by the place of their sequence.
    pub lists: Vec<(SequenceIndex, PathBuf)>,
    /// What decisions are made by.
    pub policy: Arc<Policy>,
    /// Where to look for packets; at least one, none twice.
    pub interfaces: Vec<Selection>,
    /// Which packet filter holds the tables.
    pub firewall: Choice,
    /// Whether tables that are missing are made.
    pub create_tables: bool,
    /// Whether pf is kept enabled by a reference, as macOS counts them.
    pub enable_pf: bool,
    /// Where things lie.
    pub directories: Directories,
    /// What becomes of leases that a reload takes the door or the user from.
    pub on_remove: OnRemove,
    /// The account of the process that meets packets: 1 to 32 bytes of
    /// letters, digits, _ . and -, not root. Whether there is one is another
    /// question.
    pub user: String,
    /// Who runs the doors' commands; none when no door has any.
    pub runner: Option<Runner>,
    /// What is allowed, but worth a second look.
    pub warnings: Problems,
    /// What all this was read from.
    pub files: Files,
}

/// Who runs commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// The account that they run as: shaped as [`Config::user`], and another.
    pub user: String,
    /// How long each may take, 1s to 10m.
    pub time_limit: Duration,
}

/// Where things lie; absolute paths, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Key files.
    pub secrets: PathBuf,
    /// What must survive a boot: the replay journal.
    pub state: PathBuf,
    /// What must not: leases and the control socket.
    pub run: PathBuf,
}

/// Reads the configuration at `path`, and the key files that it names.
///
/// # Errors
/// The first error of syntax or type, or else every error of meaning.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let bytes = read(path)?;
    let text = utf8(path, &bytes)?;
    // The default for secrets is beside the file, wherever we are called from.
    let absolute = std::path::absolute(path).map_err(|error| cannot_read(path, &error))?;
    parse(text, path, absolute.parent().unwrap_or(Path::new("/")))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problems> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_LENGTH + 1).read_to_end(&mut bytes))
        .map_err(|error| cannot_read(path, &error))?;
    if bytes.len() as u64 > MAX_LENGTH {
        let text = format!(
            "configuration {} exceeds {MAX_LENGTH} bytes, name another file",
            path.display()
        );
        return Err(Problems::one(path, None, text));
    }
    Ok(bytes)
}

fn cannot_read(path: &Path, error: &io::Error) -> Problems {
    let path_shown = path.display();
    let hint = match error.kind() {
        io::ErrorKind::NotFound => format!(", make it with knockctl setup -f {path_shown}"),
        _ => String::new(),
    };
    let text = format!("cannot read configuration {path_shown}{hint}: {error}");
    Problems::one(path, None, text)
}

/// Checks `text` as the content of `file`, which lies in `directory`; reads
/// the key files that it names.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path, directory: &Path) -> Result<Config, Problems> {
    interpret(text, Origin::Disk, Files::new(file, directory, text.as_bytes()))
}

/// Checks what was read before, by this process or another. Nothing is asked
/// of the file system, so the result is that of the first reading, whatever
/// lies on the disk now.
///
/// # Errors
/// As [`load`], but for what only the file system knows.
pub fn parse_files(files: &Files) -> Result<Config, Problems> {
    interpret(utf8(files.path(), files.text())?, Origin::Memory, files.clone())
}

/// Where the user `name` stands in the configuration at `path`.
///
/// # Errors
/// When it cannot be read or understood; whether it means anything is not
/// asked.
pub fn stanza_of_user(path: &Path, name: &str) -> Result<Option<Place>, Problems> {
    let bytes = read(path)?;
    let text = utf8(path, &bytes)?;
    let raw = understand(text, path)?;
    let index = Index::new(text);
    let found = raw.users.iter().find(|(_, user, _)| *user == name);
    Ok(found.map(|(ordinal, ..)| index.root().field("users").entry(ordinal).place()))
}

/// Identifies a text of a configuration: 16 hexadecimal digits, the first 8
/// bytes of SHA3-256("configuration" | text).
#[must_use]
pub fn fingerprint(text: &[u8]) -> String {
    format!("{:016x}", u64::from_be_bytes(hash::id("configuration", &[unmarked(text)])))
}

/// Whether `line` is one of authorized_keys that a user may have.
///
/// # Errors
/// Why not, in one line that repeats no key.
pub fn check_authorized_key(line: &str) -> Result<(), String> {
    authorized::parse_line(line).map(drop)
}

fn interpret(text: &str, origin: Origin, files: Files) -> Result<Config, Problems> {
    let raw = understand(text, files.path())?;
    check::configuration(&raw, Index::new(text).root(), origin, files)
}

fn understand(text: &str, path: &Path) -> Result<raw::Configuration, Problems> {
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

/// The place behind the last character of `text`.
fn end_of(text: &str) -> Place {
    let line = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.split('\n').count(), column: line.chars().count() + 1 }
}
