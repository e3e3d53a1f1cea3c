//! Fields of a message's body, one behind the other: big-endian numbers,
//! addresses of 16 bytes, texts of two bytes of length and UTF-8.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::record::{MAX_MESSAGE, Message};
use crate::core::address;

/// Bytes of a message that texts leave to what stands behind them. A text that
/// is too long for the rest is cut.
const RESERVE: usize = 128;

/// Puts fields behind each other.
pub(super) struct Writer(Message);

impl Writer {
    pub(super) const fn new(tag: u8) -> Self {
        Self(Message { tag, body: Vec::new() })
    }

    pub(super) fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    pub(super) fn flag(self, value: bool) -> Self {
        self.u8(value.into())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// In milliseconds.
    pub(super) fn span(self, span: Duration) -> Self {
        self.u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn address(self, address: IpAddr) -> Self {
        self.bytes(&address::to_bytes(address))
    }

    pub(super) fn text(self, text: &str) -> Self {
        let text = cut(text, MAX_MESSAGE.saturating_sub(self.0.body.len() + RESERVE));
        let length = u16::try_from(text.len()).unwrap_or(0);
        self.bytes(&length.to_be_bytes()).bytes(text.as_bytes())
    }

    /// The first byte says whether there is one.
    pub(super) fn maybe_text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.flag(true).text(text),
            None => self.flag(false),
        }
    }

    pub(super) fn end(self) -> Message {
        self.0
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.body.extend_from_slice(bytes);
        self
    }
}

/// As much of `text` as fits into `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    let most = most.min(text.len());
    // A character takes up to four bytes.
    let ends = (most.saturating_sub(3)..=most).rev();
    ends.into_iter().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Takes fields from the front; `None` when there is no such one.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn span(&mut self) -> Option<Duration> {
        self.u64().map(Duration::from_millis)
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        let bytes: [u8; 16] = self.array()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(super) fn maybe_text(&mut self) -> Option<Option<String>> {
        if self.flag()? { self.text().map(Some) } else { Some(None) }
    }

    /// `value`, if nothing stands behind it.
    pub(super) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("häuser", 6), "häuse");
        assert_eq!(cut("häuser", 2), "h");
        assert_eq!(cut("🔑🔑", 7), "🔑");
        assert_eq!(cut("", 7), "");
    }
}
