//! Reads the records in a buffer that bpf filled: a header, the packet, and
//! padding up to the next.
#![forbid(unsafe_code)]

use super::abi::Record;

/// A packet in a read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// How long it was; never less than what was captured.
    pub length: usize,
}

/// The packets in `buffer`, which must be what one read returned.
///
/// Ends at the first record whose lengths contradict the buffer or each
/// other, since the start of the next one is unknown then.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    layout: Record,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads the records in `buffer`.
    #[must_use]
    pub const fn new(layout: Record, buffer: &'a [u8]) -> Self {
        Self { layout, rest: buffer }
    }

    /// Returns the packet at the start of `rest`, and the length of its record.
    fn read(&self, rest: &'a [u8]) -> Option<(Captured<'a>, usize)> {
        let layout = &self.layout;
        if rest.len() < layout.least() {
            return None;
        }
        let number = |value| usize::try_from(value).ok();
        let header = number(layout.header.get(rest))?;
        let captured = number(layout.captured.get(rest))?;
        let length = number(layout.length.get(rest))?;
        let end = header.checked_add(captured)?;
        if header < layout.least() || length < captured {
            return None;
        }
        let bytes = rest.get(header..end)?;
        Some((Captured { bytes, length }, end.checked_next_multiple_of(layout.alignment)?))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Captured<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (captured, taken) = self.read(self.rest).unzip();
        // The last record need not be padded.
        self.rest = taken.and_then(|taken| self.rest.get(taken..)).unwrap_or_default();
        captured
    }
}
