//! A text with comments and fields, line by line.

use crate::core::printable::escaped;

/// Prose is broken before this column.
const WIDTH: usize = 80;
/// How many characters of a text of others are shown.
const MAX_SHOWN: usize = 300;

/// What was written so far.
#[derive(Default)]
pub struct Page {
    text: String,
    indent: usize,
}

impl Page {
    /// Has what follows stand so many columns to the right.
    pub const fn indent(&mut self, columns: usize) {
        self.indent = columns;
    }

    /// One line as it is.
    pub fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', self.indent));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// A comment, broken into lines.
    pub fn comment(&mut self, prose: &str) {
        let mut line = String::from("//");
        for word in prose.split_ascii_whitespace() {
            if line.len() > 2
                && self.indent + line.chars().count() + 1 + word.chars().count() > WIDTH
            {
                self.line(&line);
                line.truncate(2);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    /// A comment that is to be copied: one line, set off.
    pub fn literal(&mut self, text: &str) {
        self.line(&format!("//     {text}"));
    }

    /// All of it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A text of others, on one line, without what steers a terminal, and not too
/// long.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => escaped(text),
        Some((end, _)) => format!("{}..", escaped(&text[..end])),
    }
}
