//! Secret key files: one line `TYPE BASE64 [comment]` with 32 bytes. The daemon
//! and the client use them.
//!
//! No error contains the content of a file.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::core::printable::is_unprintable;
use crate::core::text::unmarked;
use crate::sys::ours::{self, Fault, Unread};

/// The most bytes of a key file.
pub const MAX_LENGTH: usize = 4096;
/// The most bytes of a file of public keys or of a list.
pub const MAX_PUBLIC_LENGTH: usize = 64 << 10;
/// Length of 32 bytes in base64, padding included.
const TEXT_LENGTH: usize = 44;

/// A key: 32 bytes that are wiped when dropped.
pub type KeyBytes = Zeroizing<[u8; 32]>;

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A gate key.
    Gate,
    /// The shared secret of a user.
    Secret,
    /// The seed of an Ed25519 private key (RFC 8032, section 5.1.5).
    Ed25519,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Gate, Self::Secret, Self::Ed25519];

    /// The first word of the line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gate => "knockd-gate",
            Self::Secret => "knockd-secret",
            Self::Ed25519 => "knockd-ed25519",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The content of a key file, without the comment.
pub struct KeyFile {
    /// The kind of the key.
    pub kind: KeyKind,
    /// The key.
    pub key: KeyBytes,
}

impl fmt::Debug for KeyFile {
    /// Shows the kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a key file cannot be read or written. Names the path and what to do.
#[derive(Debug)]
pub struct KeyFileError {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The system failed to do this to that.
    System(&'static str, &'static str, io::Error),
    Irregular,
    NoDirectory,
    /// And the mode that it should have.
    Fault(Fault, &'static str),
    Large(usize),
    Format,
    Comment,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            What::System(verb, noun, error) => {
                write!(f, "cannot {verb} {noun} {path}: {error}")
            }
            What::Irregular => write!(f, "{path} is not a regular file, name a key file"),
            What::NoDirectory => write!(f, "{path} is not a directory, name one"),
            What::Fault(fault, wanted) => f.write_str(&fault.text(&self.path, wanted)),
            What::Large(most) => write!(f, "{path} exceeds {most} bytes, name a key file"),
            What::Format => write!(
                f,
                "{path} is not a key file: it must hold one line, {}, {} or {} and 32 bytes in base64",
                KeyKind::Gate,
                KeyKind::Secret,
                KeyKind::Ed25519
            ),
            What::Comment => {
                write!(f, "cannot write {path}: the comment must be one short printable line")
            }
        }
    }
}

impl std::error::Error for KeyFileError {}

impl KeyFileError {
    fn new(path: &Path, what: What) -> Self {
        Self { path: path.to_owned(), what }
    }

    /// For `map_err`: the system failed to `verb` the path, a `noun`.
    fn system(
        path: &Path,
        verb: &'static str,
        noun: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::new(path, What::System(verb, noun, error))
    }

    /// That there is no key file at `path`.
    pub(crate) fn missing(path: &Path) -> Self {
        Self::system(path, "open", "key file")(io::ErrorKind::NotFound.into())
    }

    /// Whether the file or directory is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.what, What::System(.., error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a key file.
///
/// It must be a regular file of at most [`MAX_LENGTH`] bytes, belong to root or
/// to us, and have mode 0600 or stricter. The opened file is checked, not the
/// name, so a symbolic link is allowed and nothing can change in between.
///
/// # Errors
/// When one of these does not hold, the file cannot be read, or holds no key.
pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    parse(path, &read_bytes(path)?)
}

/// The bytes of a key file, checked as by [`read`] but not parsed.
pub(crate) fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    read_guarded(path, 0o600, "600", MAX_LENGTH).map(without_mark)
}

/// The bytes of a file of public keys: as [`read`], but others may read it.
pub(crate) fn read_public_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    read_guarded(path, 0o755, "644", MAX_PUBLIC_LENGTH).map(without_mark)
}

/// The bytes of a list of sequences, which others may not read. Keeps a byte order
/// mark, since lines are found by their offsets.
pub(crate) fn read_list_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    read_guarded(path, 0o600, "600", MAX_PUBLIC_LENGTH)
}

fn without_mark(bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(unmarked(&bytes).to_vec())
}

fn read_guarded(
    path: &Path,
    allowed: u32,
    wanted: &'static str,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    ours::read(path, allowed, most).map_err(|unread| match unread {
        Unread::Failed(verb, error) => {
            KeyFileError::new(path, What::System(verb, "key file", error))
        }
        Unread::Irregular => KeyFileError::new(path, What::Irregular),
        Unread::Fault(fault) => KeyFileError::new(path, What::Fault(fault, wanted)),
        Unread::Large => KeyFileError::new(path, What::Large(most)),
    })
}

/// The key in `bytes`, which were read from `path`.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<KeyFile, KeyFileError> {
    parse_line(bytes).ok_or_else(|| KeyFileError::new(path, What::Format))
}

/// Checks that only root and we can create files in a directory, or replace it.
///
/// # Errors
/// When `path` is not a directory, or it or one above it belongs to another user,
/// or can be written to by its group or others.
pub fn check_directory(path: &Path) -> Result<(), KeyFileError> {
    let metadata =
        path.metadata().map_err(KeyFileError::system(path, "examine", "directory"))?;
    if !metadata.is_dir() {
        return Err(KeyFileError::new(path, What::NoDirectory));
    }
    ours::check(&metadata, 0o7755)
        .map_err(|fault| KeyFileError::new(path, What::Fault(fault, "700")))?;
    match ours::fault_above(path) {
        Some((place, fault)) => Err(KeyFileError::new(&place, What::Fault(fault, "go-w"))),
        None => Ok(()),
    }
}

fn parse_line(bytes: &[u8]) -> Option<KeyFile> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line.contains('\n') {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let (word, key) = (words.next()?, words.next()?);
    let kind = KeyKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    Some(KeyFile { kind, key: decode(key)? })
}

/// 32 bytes from standard padded base64, in constant time.
fn decode(text: &str) -> Option<KeyBytes> {
    let mut key = Zeroizing::new([0; 32]);
    let length = Base64::decode(text, &mut key[..]).ok()?.len();
    (length == key.len()).then_some(key)
}

/// Creates a key file with a random key, as [`write_new`] does. Returns the key.
///
/// # Errors
/// As [`write_new`], and when the system has no random bytes.
pub fn create(path: &Path, kind: KeyKind) -> Result<KeyBytes, KeyFileError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)
        .map_err(io::Error::other)
        .map_err(KeyFileError::system(path, "create", "key file"))?;
    write_new(path, kind, &key, "")?;
    Ok(key)
}

/// Writes a new key file of mode 0600 and waits until it is on disk.
///
/// Creates missing directories above it with mode 0700. Never changes an existing
/// file.
///
/// # Errors
/// When the file exists, the system refuses, or the comment is not one line of
/// printable characters that fits.
pub fn write_new(
    path: &Path,
    kind: KeyKind,
    key: &KeyBytes,
    comment: &str,
) -> Result<(), KeyFileError> {
    let mut line = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    let mut text = Zeroizing::new([0; TEXT_LENGTH]);
    let text = Base64::encode(&key[..], &mut text[..]).unwrap_or_default();
    let parts =
        [kind.word(), " ", text, if comment.is_empty() { "" } else { " " }, comment, "\n"];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > MAX_LENGTH || comment.chars().any(is_unprintable) {
        return Err(KeyFileError::new(path, What::Comment));
    }
    line.extend(parts);

    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(KeyFileError::system(parent, "make", "directory"))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(KeyFileError::system(path, "create", "key file"))?;
    store(file, line.as_bytes(), parent).map_err(|error| {
        // A part of a key is useless. That it may remain is no second error.
        let _ = std::fs::remove_file(path);
        KeyFileError::system(path, "write", "key file")(error)
    })
}

fn store(mut file: File, bytes: &[u8], parent: &Path) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(parent)?.sync_all()
}

/// A key as text: standard padded base64 of its 32 bytes.
#[must_use]
pub fn to_text(key: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(Base64::encode_string(key))
}

/// Reads a key from a text as [`to_text`] writes it.
#[must_use]
pub fn from_text(text: &str) -> Option<KeyBytes> {
    decode(text)
}

/// An Ed25519 public key as text: standard padded base64 of its 32 bytes.
#[must_use]
pub fn public_to_text(public: &[u8; 32]) -> String {
    Base64::encode_string(public)
}

/// Reads a public key from a text as [`public_to_text`] writes it. Does not check
/// that it is a point of the curve.
#[must_use]
pub fn public_from_text(text: &str) -> Option<[u8; 32]> {
    decode(text).map(|key| *key)
}

/// Whether `text`, written in place of the path of a key file, seems to be a key.
/// Such a text must not be shown.
#[must_use]
pub fn looks_like_key(text: &str) -> bool {
    text.split_ascii_whitespace().any(|word| {
        word.len() >= 40
            && (!word.starts_with('/') || word.ends_with('='))
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    })
}
