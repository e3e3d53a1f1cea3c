//! What a configuration was read from: its own bytes and those of every key
//! file that it names.
//!
//! They are read once. Each process of the daemon makes its configuration of
//! the same bytes, so that an index of a user or a door means the same to all
//! of them, whatever lies on the disk by then.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::MAX_LENGTH;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::keyfile::{self, KeyFile};

/// The most bytes that the files take together, encoded; more are refused.
pub const MAX_TOTAL: usize = 16 << 20;

/// Where the bytes of key files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the disk, and are kept.
    Disk,
    /// From an earlier reading, which judged who can read and replace them.
    Memory,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Everybody: public keys.
    Public,
    /// Nobody else.
    #[cfg(feature = "legacy")]
    Secret,
    /// Nobody else, and there may be much of it.
    List,
}

/// What stands in front of every part: its length.
const PREFIX: usize = 4;

/// Bytes that are wiped when dropped.
type Bytes = Zeroizing<Vec<u8>>;

/// A configuration and its key files, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    path: PathBuf,
    directory: PathBuf,
    text: Bytes,
    keys: BTreeMap<PathBuf, Bytes>,
    /// Of all of it, encoded.
    length: usize,
}

impl fmt::Debug for Files {
    /// Where they lie, nothing of what they hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Files {
    /// The configuration `text` of the file `path`, which lies in `directory`,
    /// and no key file yet.
    pub(super) fn new(path: &Path, directory: &Path, text: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            directory: directory.to_owned(),
            text: Zeroizing::new(text.to_vec()),
            keys: BTreeMap::new(),
            length: 3 * PREFIX + bytes_of(path).len() + bytes_of(directory).len() + text.len(),
        }
    }

    /// Where the configuration lies, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is found from every directory.
    #[must_use]
    pub fn absolute_path(&self) -> PathBuf {
        self.path
            .file_name()
            .map_or_else(|| self.path.clone(), |name| self.directory.join(name))
    }

    /// The directory that it lies in; defaults are relative to it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The text of the configuration.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The key in the file at `path`, from memory.
    ///
    /// # Errors
    /// When the file was never read, or holds no key.
    pub(super) fn key(&self, path: &Path) -> Result<KeyFile, keyfile::KeyFileError> {
        match self.keys.get(path) {
            Some(bytes) => keyfile::parse(path, bytes),
            None => Err(keyfile::KeyFileError::missing(path)),
        }
    }

    /// The key in the file at `path`, from memory if it was read before, else
    /// from the disk.
    ///
    /// # Errors
    /// As [`keyfile::read`]; [`Unread::Large`] when all files together would
    /// exceed [`MAX_TOTAL`].
    pub(super) fn read(&mut self, path: &Path) -> Result<KeyFile, Unread> {
        if !self.keys.contains_key(path) {
            let bytes = keyfile::read_bytes(path).map_err(Unread::File)?;
            if self.length + key_length(path, &bytes) > MAX_TOTAL {
                return Err(Unread::Large);
            }
            self.insert(path, bytes);
        }
        self.key(path).map_err(Unread::File)
    }

    /// The bytes of the file at `path`, which holds `content`: from memory if
    /// it was read before, else from the disk, if that is the source.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_bytes(
        &mut self,
        path: &Path,
        content: Content,
        origin: Origin,
    ) -> Result<&[u8], Unread> {
        if !self.keys.contains_key(path) {
            if origin == Origin::Memory {
                return Err(Unread::File(keyfile::KeyFileError::missing(path)));
            }
            let read = match content {
                Content::Public => keyfile::read_public_bytes,
                #[cfg(feature = "legacy")]
                Content::Secret => keyfile::read_bytes,
                Content::List => keyfile::read_list_bytes,
            };
            let bytes = read(path).map_err(Unread::File)?;
            if self.length + key_length(path, &bytes) > MAX_TOTAL {
                return Err(Unread::Large);
            }
            self.insert(path, bytes);
        }
        Ok(self.keys.get(path).map_or(&[], |bytes| bytes))
    }

    /// Strikes out the line of the list at `path` that begins at `offset`, as
    /// it was on the disk.
    pub fn strike(&mut self, path: &Path, offset: u32) {
        let bytes = self.keys.get_mut(path);
        let place = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(first) = bytes.and_then(|bytes| bytes.get_mut(place)) {
            *first = b'#';
        }
    }

    fn insert(&mut self, path: &Path, bytes: Bytes) {
        self.length += key_length(path, &bytes);
        self.keys.insert(path.to_owned(), bytes);
    }

    /// As bytes: the path, the directory and the text, then path and content
    /// of each key file in the order of their paths, each a string. At most [`MAX_TOTAL`].
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let begin = Writer::with_capacity(self.length);
        let begin = begin.string(bytes_of(&self.path)).string(bytes_of(&self.directory));
        let keys = self.keys.iter();
        let write = |writer: Writer, (path, key): (&PathBuf, &Bytes)| {
            writer.string(bytes_of(path)).string(key)
        };
        keys.fold(begin.string(&self.text), write).end()
    }

    /// What [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// For anything else, and for what exceeds a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut read = Reader::new(bytes);
        let (path, directory) = (path_of(read.string()?), path_of(read.string()?));
        let text = read.string()?;
        if bytes.len() > MAX_TOTAL || text.len() as u64 > MAX_LENGTH {
            return Err(Malformed);
        }
        let mut files = Self::new(&path, &directory, text);
        while read.end().is_err() {
            let (path, key) = (path_of(read.string()?), read.string()?);
            // In order, so that there is one encoding only and none comes twice.
            let is_next = files.keys.last_key_value().is_none_or(|(last, _)| *last < path);
            if !is_next || key.len() > keyfile::MAX_PUBLIC_LENGTH {
                return Err(Malformed);
            }
            files.insert(&path, Zeroizing::new(key.to_vec()));
        }
        Ok(files)
    }
}

/// Why a key file was not read.
#[derive(Debug)]
pub enum Unread {
    /// Because of the file.
    File(keyfile::KeyFileError),
    /// Because all files together are too large.
    Large,
}

fn key_length(path: &Path, bytes: &[u8]) -> usize {
    2 * PREFIX + bytes_of(path).len() + bytes.len()
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
