//! A message as bytes: tag, length of the blob, body, blob.

use zeroize::Zeroizing;

use crate::core::bytes::{Malformed, Reader, Writer};

/// Length of a record without its blob.
pub const LENGTH: usize = 104;
/// Length of the body.
pub const BODY: usize = LENGTH - 8;
/// The longest blob: a configuration and all its keys.
pub const MAX_BLOB: usize = 32 << 20;

/// One message as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// Which message of its direction it is.
    pub tag: u8,
    /// The fields, zero-padded.
    pub body: [u8; BODY],
    /// Data of variable length; may hold keys.
    pub blob: Zeroizing<Vec<u8>>,
}

impl Packet {
    /// The packet of these fields, which must not exceed [`BODY`].
    #[must_use]
    pub fn new(tag: u8, fields: &Writer) -> Self {
        Self { tag, body: fields.padded(), blob: Zeroizing::default() }
    }

    /// The same with a blob.
    #[must_use]
    pub fn with(self, blob: &Zeroizing<Vec<u8>>) -> Self {
        Self { blob: blob.clone(), ..self }
    }

    /// The record: the packet without its blob.
    #[must_use]
    pub fn record(&self) -> [u8; LENGTH] {
        let length = u32::try_from(self.blob.len()).unwrap_or(u32::MAX);
        Writer::new().u8(self.tag).bytes(&[0; 3]).u32(length).bytes(&self.body).padded()
    }

    /// Reads a record: the packet without its blob, and the blob's length.
    ///
    /// # Errors
    /// When that exceeds `max_blob` or reserved bytes are not zero.
    pub fn begin(record: &[u8; LENGTH], max_blob: usize) -> Result<(Self, usize), Malformed> {
        let mut record = Reader::new(record);
        let (tag, reserved) = (record.u8()?, record.array()?);
        let length = usize::try_from(record.u32()?).map_err(|_| Malformed)?;
        if reserved != [0; 3] || length > max_blob {
            return Err(Malformed);
        }
        Ok((Self { tag, body: record.array()?, blob: Zeroizing::default() }, length))
    }

    /// For reading the body from its first byte on.
    #[must_use]
    pub const fn fields(&self) -> Reader<'_> {
        Reader::new(&self.body)
    }
}
