//! Writes JSON (RFC 8259).

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// Writes a document piece by piece, without keeping it.
pub struct Json<'a> {
    out: &'a mut dyn Write,
    /// Whether the next value in the object or array comes after a comma.
    needs_comma: bool,
}

impl<'a> Json<'a> {
    /// Creates a document that is written to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, needs_comma: false }
    }

    /// Begins an object or an array.
    pub fn begin(&mut self, bracket: char) -> io::Result<()> {
        self.value(bracket)?;
        self.needs_comma = false;
        Ok(())
    }

    /// Ends an object or an array.
    pub fn end(&mut self, bracket: char) -> io::Result<()> {
        write!(self.out, "{bracket}")?;
        self.needs_comma = true;
        Ok(())
    }

    /// Writes the name of the next value.
    pub fn key(&mut self, name: &str) -> io::Result<()> {
        self.text(name)?;
        write!(self.out, ":")?;
        self.needs_comma = false;
        Ok(())
    }

    /// Writes a number, `true` or `false` with its name.
    pub fn field(&mut self, name: &str, value: impl Display) -> io::Result<()> {
        self.key(name)?;
        self.value(value)
    }

    /// Writes a span in seconds, to the millisecond, with its name.
    pub fn span_field(&mut self, name: &str, span: Duration) -> io::Result<()> {
        self.field(name, format_args!("{}.{:03}", span.as_secs(), span.subsec_millis()))
    }

    /// Writes a string, or `null`, with its name.
    pub fn text_field(&mut self, name: &str, text: Option<&str>) -> io::Result<()> {
        self.key(name)?;
        match text {
            Some(text) => self.text(text),
            None => self.value("null"),
        }
    }

    fn value(&mut self, value: impl Display) -> io::Result<()> {
        let comma = if self.needs_comma { "," } else { "" };
        write!(self.out, "{comma}{value}")?;
        self.needs_comma = true;
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
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
        json.end(']').unwrap();
        json.span_field("b", Duration::from_millis(1_020)).unwrap();
        json.text_field("c", None).unwrap();
        json.text_field("d", Some("e")).unwrap();
        json.field("f", true).unwrap();
        json.end('}').unwrap();
        json.finish().unwrap();
        let expected = "{\"a\\\"\\\\\\u000a\u{7f}é\":[1,{}],\"b\":1.020,\"c\":null,\"d\":\"e\",\"f\":true}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
