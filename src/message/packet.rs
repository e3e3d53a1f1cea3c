//! A message as bytes: tag, length of the blob, body, blob.

use std::net::{IpAddr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::core::address;

/// Length of a record without its blob.
pub const LENGTH: usize = 104;
/// Length of the body.
pub const BODY: usize = LENGTH - 8;
/// The longest blob: a configuration and all its keys.
pub const MAX_BLOB: usize = 32 << 20;

/// One message as it travels. Integers are big-endian.
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
    /// The record: the packet without its blob.
    #[must_use]
    pub fn record(&self) -> [u8; LENGTH] {
        let mut record = [0; LENGTH];
        record[0] = self.tag;
        let length = u32::try_from(self.blob.len()).unwrap_or(u32::MAX);
        record[4..8].copy_from_slice(&length.to_be_bytes());
        record[8..].copy_from_slice(&self.body);
        record
    }

    /// Reads a record: the packet without its blob, and the blob's length.
    /// `None` when that exceeds `max_blob` or reserved bytes are not zero.
    #[must_use]
    pub fn begin(record: &[u8; LENGTH], max_blob: usize) -> Option<(Self, usize)> {
        let [tag, 0, 0, 0, a, b, c, d, ..] = *record else { return None };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let body = *record.last_chunk()?;
        (length <= max_blob).then(|| (Self { tag, body, blob: Zeroizing::default() }, length))
    }

    /// For reading the body from its first byte on.
    #[must_use]
    pub const fn fields(&self) -> Fields<'_> {
        Fields { rest: &self.body }
    }
}

/// Builds a packet, field by field.
#[derive(Default)]
pub struct Builder {
    fields: Vec<u8>,
    blob: Zeroizing<Vec<u8>>,
}

impl Builder {
    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.fields.extend_from_slice(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: impl Into<u64>) -> Self {
        self.bytes(&number.into().to_be_bytes())
    }

    /// Adds a number, or that there is none.
    #[must_use]
    pub fn option(self, number: Option<impl Into<u64>>) -> Self {
        let is_there = u8::from(number.is_some());
        self.bytes(&[is_there]).number(number.map_or(0, Into::into))
    }

    /// Adds an address.
    #[must_use]
    pub fn address(self, address: IpAddr) -> Self {
        self.bytes(&address::to_bytes(address))
    }

    /// Adds what has no fixed length.
    #[must_use]
    pub fn blob(mut self, blob: &[u8]) -> Self {
        self.blob.extend_from_slice(blob);
        self
    }

    /// The packet. Fields beyond [`BODY`] would be cut; that none are is
    /// tested for every message.
    #[must_use]
    pub fn packet(self, tag: u8) -> Packet {
        debug_assert!(self.fields.len() <= BODY, "message {tag} is too long");
        let mut body = [0; BODY];
        for (slot, byte) in body.iter_mut().zip(&self.fields) {
            *slot = *byte;
        }
        Packet { tag, body, blob: self.blob }
    }
}

/// Reads a body, field by field, in the order in which it was built.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// The next number, if it fits.
    pub fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(u64::from_be_bytes(self.bytes()?)).ok()
    }

    /// The next number, or that there is none. The outer option is for bytes
    /// that say neither.
    pub fn option<T: TryFrom<u64>>(&mut self) -> Option<Option<T>> {
        let [is_there] = self.bytes()?;
        let number: T = self.number()?;
        match is_there {
            0 => Some(None),
            1 => Some(Some(number)),
            _ => None,
        }
    }

    /// The next truth.
    pub fn flag(&mut self) -> Option<bool> {
        match self.bytes()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    /// The next address.
    pub fn address(&mut self) -> Option<IpAddr> {
        Some(IpAddr::V6(Ipv6Addr::from(self.bytes::<16>()?)).to_canonical())
    }
}
