//! Lists of sequences, each to be knocked once, in order.

use super::sighting::Port;

/// A line of a list that was not used yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which line of its file it is, from 1.
    pub number: u32,
    /// Where it begins in its file, in bytes: what it is called by.
    pub offset: u32,
    /// The line as it stands there, without its end.
    pub text: String,
    /// 1 to 32 ports.
    pub steps: Vec<Port>,
}

/// The lines of a list that were not used yet, in order.
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
