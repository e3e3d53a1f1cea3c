//! The bytes of a configuration and of every key file that it names.
//!
//! They are read once. Each process of the daemon parses the same bytes, so that
//! the index of a user or a door means the same in all of them, even if the files
//! have changed.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::MAX_LENGTH;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::keyfile;

/// The most bytes of all files together, encoded.
pub const MAX_TOTAL: usize = 16 << 20;

/// Where the bytes of key files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// The disk.
    Disk,
    /// An earlier reading, which checked owners and modes.
    Memory,
}

/// What a file contains, which decides who may read it and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyContent {
    /// Public keys, which everybody may read.
    Public,
    /// A secret key.
    Secret,
    /// Secret sequences, many of them.
    List,
}

/// Bytes of the length before every part.
const PREFIX: usize = 4;

/// Bytes that are wiped when dropped.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// A configuration and its key files, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    path: PathBuf,
    directory: PathBuf,
    text: Bytes,
    keys: BTreeMap<PathBuf, Bytes>,
    /// Bytes of everything, encoded.
    length: usize,
}

impl fmt::Debug for Files {
    /// Shows the path and no content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Files {
    /// Creates it with the configuration `text` of the file `path` in `directory`,
    /// without key files.
    pub(super) fn new(path: &Path, directory: &Path, text: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            directory: directory.to_owned(),
            text: Zeroizing::new(text.to_vec()),
            keys: BTreeMap::new(),
            length: 3 * PREFIX + bytes_of(path).len() + bytes_of(directory).len() + text.len(),
        }
    }

    /// The path of the configuration, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of the configuration.
    #[must_use]
    pub fn absolute_path(&self) -> PathBuf {
        self.path
            .file_name()
            .map_or_else(|| self.path.clone(), |name| self.directory.join(name))
    }

    /// The directory of the configuration; defaults are relative to it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The text of the configuration.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the bytes of the key file at `path`: from memory if it was read
    /// before, else from the disk if that is the source.
    ///
    /// # Errors
    /// As [`keyfile::read`]; [`KeyReadError::Total`] when all files together would
    /// exceed [`MAX_TOTAL`].
    pub(super) fn read(
        &mut self,
        path: &Path,
        content: KeyContent,
        source: KeySource,
    ) -> Result<&[u8], KeyReadError> {
        if !self.keys.contains_key(path) {
            if source == KeySource::Memory {
                return Err(KeyReadError::File(keyfile::KeyFileError::missing(path)));
            }
            let read = match content {
                KeyContent::Public => keyfile::read_public_bytes,
                KeyContent::Secret => keyfile::read_bytes,
                KeyContent::List => keyfile::read_list_bytes,
            };
            let bytes = read(path).map_err(KeyReadError::File)?;
            if self.length + key_length(path, &bytes) > MAX_TOTAL {
                return Err(KeyReadError::Total);
            }
            self.insert(path, bytes);
        }
        Ok(self.keys.get(path).map_or(&[], |bytes| bytes))
    }

    /// Strikes out the line at `offset` in the list at `path`, as the daemon did on
    /// the disk.
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

    /// Encodes everything, at most [`MAX_TOTAL`] bytes: the path, the directory and
    /// the text, then path and content of each key file in the order of their
    /// paths, each as a string.
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

    /// Decodes what [`encode`](Self::encode) returned.
    ///
    /// # Errors
    /// For anything else, and when a limit is exceeded.
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
            // In order, so that there is one encoding and no path comes twice.
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
pub enum KeyReadError {
    /// The file is at fault.
    File(keyfile::KeyFileError),
    /// All files together are too large.
    Total,
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
