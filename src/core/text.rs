//! Text files as others write them.
#![forbid(unsafe_code)]

/// The byte order mark that some editors write at the start of a UTF-8 file.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the bytes of a text file without a byte order mark at its start.
///
/// Every text file that we read passes here; a mark elsewhere is an error.
#[must_use]
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}
