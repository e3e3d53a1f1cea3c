//! Splits RON text into lexemes, as coarse as the index of places needs.
#![forbid(unsafe_code)]

/// Line and column, from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

/// One lexeme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lexeme<'t> {
    /// An opening bracket of one of the three kinds.
    Open(char),
    /// A closing bracket of any kind.
    Close,
    /// A comma.
    Comma,
    /// A colon.
    Colon,
    /// An identifier, a number, or anything else.
    Word(&'t str),
    /// A string, a byte string, a character or a byte, raw or not.
    Literal,
}

/// The rest of a text, and its place.
#[derive(Debug, Clone)]
pub struct Lexer<'t> {
    rest: &'t str,
    place: Place,
}

impl<'t> Lexer<'t> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub const fn new(text: &'t str) -> Self {
        Self { rest: text, place: Place { line: 1, column: 1 } }
    }

    /// Returns the next lexeme without advancing.
    #[must_use]
    pub fn peek(&self) -> Option<Lexeme<'t>> {
        self.clone().next().map(|(_, lexeme)| lexeme)
    }

    /// Returns the place of the next lexeme, or of the end.
    #[must_use]
    pub fn place(&self) -> Place {
        let mut ahead = self.clone();
        ahead.skip_blanks();
        ahead.place
    }

    fn advance(&mut self, bytes: usize) -> &'t str {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        for character in passed.chars() {
            if character == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        self.rest = rest;
        passed
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        loop {
            let length = if self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                block_comment(self.rest)
            } else {
                self.rest.find(|c| !is_blank(c)).unwrap_or(self.rest.len())
            };
            if length == 0 {
                return;
            }
            self.advance(length);
        }
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = (Place, Lexeme<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let place = self.place;
        let first = self.rest.chars().next()?;
        let single = match first {
            '(' | '[' | '{' => Some(Lexeme::Open(first)),
            ')' | ']' | '}' => Some(Lexeme::Close),
            ',' => Some(Lexeme::Comma),
            ':' => Some(Lexeme::Colon),
            _ => None,
        };
        if let Some(lexeme) = single {
            self.advance(1);
            return Some((place, lexeme));
        }
        if let Some(length) = literal(self.rest) {
            self.advance(length);
            return Some((place, Lexeme::Literal));
        }
        let ends = |c: char| is_blank(c) || "()[]{},:\"'/".contains(c);
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        Some((place, Lexeme::Word(self.advance(length.max(first.len_utf8())))))
    }
}

/// Whether RON treats `c` as white space.
const fn is_blank(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'..='\r' | '\u{85}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
    )
}

/// The length of the block comment at the start of `text`; block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the literal at the start of `text`, if there is one.
fn literal(text: &str) -> Option<usize> {
    let plain = text.strip_prefix('b').unwrap_or(text);
    let prefix = text.len() - plain.len();
    if let Some(body) = plain.strip_prefix('"') {
        return Some(prefix + 1 + quoted(body, '"'));
    }
    if let Some(body) = plain.strip_prefix('\'') {
        // The character itself may be a quote.
        let first = body.chars().next().filter(|c| *c != '\\').map_or(0, char::len_utf8);
        return Some(prefix + 1 + first + quoted(&body[first..], '\''));
    }
    let hashes_on = plain.strip_prefix('r')?;
    let body = hashes_on.trim_start_matches('#');
    let hashes = &hashes_on[..hashes_on.len() - body.len()];
    let body = body.strip_prefix('"')?;
    let end = ["\"", hashes].concat();
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// The length up to and including the next `end` that is not escaped.
fn quoted(body: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if c == end && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(text: &str) -> Vec<Lexeme<'_>> {
        Lexer::new(text).map(|(_, lexeme)| lexeme).collect()
    }

    #[test]
    fn brackets_in_comments_and_literals_are_no_lexemes() {
        let word = Lexeme::Word("end");
        for text in ["// ( \" '\nend", "/* ( /* ) */ \" */ end", "/**/end", "/***/end//"] {
            assert_eq!(lexemes(text), [word], "{text}");
        }
        for text in [
            r#""(" end"#,
            r#""\"(" end"#,
            r#""\\" end"#,
            r##"r"\" end"##,
            r###"r#"" ( "# end"###,
            r###"br##"" "# "## end"###,
            r#"b"\"" end"#,
            r"b'(' end",
            r"'(' end",
            r"'\'' end",
            r"''' end",
            r"'\\' end",
            r"'\u{28}' end",
        ] {
            assert_eq!(lexemes(text), [Lexeme::Literal, word], "{text}");
        }
    }

    #[test]
    fn raw_identifiers_are_words() {
        assert_eq!(
            lexemes("r#name: r"),
            [Lexeme::Word("r#name"), Lexeme::Colon, Lexeme::Word("r")]
        );
    }

    #[test]
    fn places_count_lines_and_characters() {
        let places: Vec<_> =
            Lexer::new("ä b\r\n\tc\n\u{2028}d").map(|(place, _)| place).collect();
        let at = |line, column| Place { line, column };
        assert_eq!(places, [at(1, 1), at(1, 3), at(2, 2), at(3, 2)]);
    }
}
