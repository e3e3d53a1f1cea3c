//! Lists of one-time sequences. Each line can be knocked once, in order.

use super::sighting::Port;

/// An unused line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its line number in the file, from 1.
    pub number: u32,
    /// Its offset in the file in bytes, which identifies it.
    pub offset: u32,
    /// Its text without the line end.
    pub text: String,
    /// 1 to 32 ports.
    pub steps: Vec<Port>,
}

/// The unused lines of a list, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OneTime {
    /// At most 1000.
    pub lines: Vec<Line>,
}

impl OneTime {
    /// The place of the line that begins at `offset`.
    #[must_use]
    pub fn place(&self, offset: u32) -> Option<usize> {
        self.lines.binary_search_by_key(&offset, |line| line.offset).ok()
    }
}
