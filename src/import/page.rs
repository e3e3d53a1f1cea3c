//! Writes a configuration with comments, line by line.

use crate::core::printable::escaped;

/// Comments are wrapped before this column.
const WIDTH: usize = 80;
/// How many characters of an untrusted text are shown.
const MAX_SHOWN: usize = 300;

/// The text so far.
#[derive(Default)]
pub struct Page {
    text: String,
    indent: usize,
}

impl Page {
    /// Indents the lines that follow by `columns`.
    pub const fn indent(&mut self, columns: usize) {
        self.indent = columns;
    }

    /// Writes a line as it is.
    pub fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', self.indent));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Writes a comment, wrapped.
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

    /// Writes a comment of one line that is meant to be copied.
    pub fn literal(&mut self, text: &str) {
        self.line(&format!("//     {text}"));
    }

    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

/// Escapes an untrusted text for a comment, and cuts it.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => escaped(text),
        Some((end, _)) => format!("{}..", escaped(&text[..end])),
    }
}
