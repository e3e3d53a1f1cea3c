//! Writes JSON (RFC 8259), as little of it as is needed.

use std::io::{self, Write};
use std::time::Duration;

/// A document that is written piece by piece, so that none of it is kept.
pub struct Json<'a> {
    out: &'a mut dyn Write,
    /// Whether something stands before, in the same object or array.
    follows: bool,
}

impl<'a> Json<'a> {
    /// A document without anything in it.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, follows: false }
    }

    /// Begins an object or an array.
    pub fn begin(&mut self, bracket: char) -> io::Result<()> {
        self.value(bracket)?;
        self.follows = false;
        Ok(())
    }

    /// Ends it.
    pub fn end(&mut self, bracket: char) -> io::Result<()> {
        write!(self.out, "{bracket}")?;
        self.follows = true;
        Ok(())
    }

    /// The name of the value that is next.
    pub fn key(&mut self, name: &str) -> io::Result<()> {
        self.text(name)?;
        write!(self.out, ":")?;
        self.follows = false;
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    pub fn value(&mut self, value: impl std::fmt::Display) -> io::Result<()> {
        let comma = if self.follows { "," } else { "" };
        write!(self.out, "{comma}{value}")?;
        self.follows = true;
        Ok(())
    }

    /// A span in seconds, to the millisecond.
    pub fn span(&mut self, span: Duration) -> io::Result<()> {
        self.value(format_args!("{}.{:03}", span.as_secs(), span.subsec_millis()))
    }

    /// A string.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.value("\"")?;
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(self.out, "\\{character}")?,
                '\0'..='\x1f' => write!(self.out, "\\u{:04x}", u32::from(character))?,
                _ => write!(self.out, "{character}")?,
            }
        }
        write!(self.out, "\"")
    }

    /// A string, or `null`.
    pub fn maybe_text(&mut self, text: Option<&str>) -> io::Result<()> {
        match text {
            Some(text) => self.text(text),
            None => self.value("null"),
        }
    }

    /// Ends the document and its line.
    pub fn finish(self) -> io::Result<()> {
        writeln!(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_commas_and_escapes() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.begin('{').unwrap();
        json.key("a\"\\\n\u{7f}é").unwrap();
        json.begin('[').unwrap();
        json.value(1).unwrap();
        json.begin('{').unwrap();
        json.end('}').unwrap();
        json.maybe_text(None).unwrap();
        json.end(']').unwrap();
        json.key("b").unwrap();
        json.span(Duration::from_millis(1_020)).unwrap();
        json.key("c").unwrap();
        json.value(true).unwrap();
        json.end('}').unwrap();
        json.finish().unwrap();
        let expected = "{\"a\\\"\\\\\\u000a\u{7f}é\":[1,{},null],\"b\":1.020,\"c\":true}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
