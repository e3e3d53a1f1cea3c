//! Writes values as bytes and reads them: big-endian numbers, addresses of 16
//! bytes, strings after their length.
//!
//! The bytes may come from anyone. A length beyond the end, a flag that is
//! neither 0 nor 1, or a text that is not UTF-8 is [`Malformed`].

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use zeroize::Zeroizing;

use super::address;
use super::time::{Monotonic, Wall};

/// The bytes are not in the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads values from the front of bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

#[expect(missing_docs, reason = "the methods are named after what they read")]
#[expect(clippy::missing_errors_doc, reason = "there is one error")]
impl<'a> Reader<'a> {
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Everything that was not read yet.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Fails unless everything was read.
    pub const fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// The next `length` bytes.
    pub const fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(Malformed);
        };
        self.rest = rest;
        Ok(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// A flag and, if it is set, the value that `read` reads.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// In milliseconds.
    pub fn span(&mut self) -> Result<Duration, Malformed> {
        self.u64().map(Duration::from_millis)
    }

    pub fn wall(&mut self) -> Result<Wall, Malformed> {
        self.u64().map(Wall::from_millis)
    }

    pub fn moment(&mut self) -> Result<Monotonic, Malformed> {
        self.u64().map(Monotonic::from_nanos)
    }

    pub fn address(&mut self) -> Result<IpAddr, Malformed> {
        let bytes: [u8; 16] = self.array()?;
        Ok(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
    }

    /// A text after its length in two bytes.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u16()?;
        std::str::from_utf8(self.bytes(length.into())?).map_err(|_| Malformed)
    }

    /// Bytes after their length in four: a string of SSH (RFC 4251, section 5).
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        self.bytes(length)
    }
}

/// Appends values to bytes that are wiped when dropped.
#[must_use]
#[derive(Default)]
pub struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    most: Option<usize>,
}

#[expect(missing_docs, reason = "the methods are named after what they write")]
impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    /// One for `length` bytes: as it does not grow, no copies of keys stay
    /// where it was before.
    pub fn with_capacity(length: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(length)), most: None }
    }

    /// One that cuts texts where it would exceed `most` bytes.
    pub fn within(most: usize) -> Self {
        Self { most: Some(most), ..Self::default() }
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn u8(self, number: u8) -> Self {
        self.bytes(&[number])
    }

    pub fn u16(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub fn flag(self, flag: bool) -> Self {
        self.u8(flag.into())
    }

    /// A flag and, if there is a value, what `write` writes of it.
    pub fn option<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => write(self.flag(true), value),
            None => self.flag(false),
        }
    }

    /// In milliseconds.
    pub fn span(self, span: Duration) -> Self {
        self.u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn wall(self, wall: Wall) -> Self {
        self.u64(wall.as_millis())
    }

    pub fn moment(self, moment: Monotonic) -> Self {
        self.u64(moment.as_nanos())
    }

    pub fn address(self, address: IpAddr) -> Self {
        self.bytes(&address::to_bytes(address))
    }

    /// A text after its length in two bytes.
    pub fn text(self, text: &str) -> Self {
        let room = self.most.map_or(usize::MAX, |most| most.saturating_sub(self.len()));
        let text = cut(text, room.min(u16::MAX.into()));
        self.u16(u16::try_from(text.len()).unwrap_or(u16::MAX)).bytes(text.as_bytes())
    }

    /// Bytes after their length in four, of which there are always enough.
    pub fn string(self, bytes: &[u8]) -> Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).bytes(bytes)
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn end(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// The same with zeros up to a fixed length, which it must not exceed.
    #[must_use]
    pub fn padded<const N: usize>(&self) -> [u8; N] {
        debug_assert!(self.len() <= N, "{} bytes do not fit {N}", self.len());
        let mut bytes = [0; N];
        for (place, byte) in bytes.iter_mut().zip(self.bytes.iter()) {
            *place = *byte;
        }
        bytes
    }
}

/// The start of `text`, at most `most` bytes, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    let most = most.min(text.len());
    // A character takes up to four bytes.
    let ends = (most.saturating_sub(3)..=most).rev();
    ends.into_iter().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("häuser", 6), "häuse");
        assert_eq!(cut("häuser", 2), "h");
        assert_eq!(cut("🔑🔑", 7), "🔑");
        assert_eq!(cut("", 7), "");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_less(
            text in "\\PC{0,100}",
            number in any::<u64>(),
            address in any::<IpAddr>(),
            option in any::<Option<bool>>(),
            string in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let writer = Writer::new().text(&text).u64(number).address(address);
            let bytes = writer.option(option, Writer::flag).string(&string).end();
            let read = |bytes: &[u8]| {
                let mut reader = Reader::new(bytes);
                let text = reader.text()?.to_owned();
                let (number, address) = (reader.u64()?, reader.address()?);
                let option = reader.option(Reader::flag)?;
                let string = reader.string()?.to_vec();
                reader.end()?;
                Ok((text, number, address, option, string))
            };
            let written = (text, number, address.to_canonical(), option, string);
            prop_assert_eq!(read(&bytes), Ok(written));
            for end in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..end]), Err(Malformed));
            }
        }
    }
}
