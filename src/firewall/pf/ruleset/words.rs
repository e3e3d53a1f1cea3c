//! Splits a line of `pfctl -sr` into words.
#![forbid(unsafe_code)]

/// Splits at blanks, but not within quotes, parentheses or braces: `(em0:0)`
/// and `(max 10, if-bound)` are one word each.
#[must_use]
pub fn cut(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(length(rest));
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

/// Returns the length of the first word. An open bracket takes the rest.
fn length(text: &str) -> usize {
    let (mut depth, mut quoted) = (0_u32, false);
    for (place, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '{' => depth = depth.saturating_add(1),
            ')' | '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 && character.is_whitespace() => return place,
            _ => {}
        }
    }
    text.len()
}

/// An iterator over words.
#[derive(Debug)]
pub struct Words<'a> {
    rest: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Words<'a> {
    /// Splits `line`.
    #[must_use]
    pub fn of(line: &'a str) -> Self {
        Self { rest: cut(line).into_iter().peekable() }
    }

    /// Takes the next word.
    pub fn take(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// Takes the next word if it is `word`.
    pub fn skip(&mut self, word: &str) -> bool {
        self.rest.next_if(|next| *next == word).is_some()
    }

    /// Takes the next word if it begins with a parenthesis.
    pub fn parenthesis(&mut self) -> Option<&'a str> {
        self.rest.next_if(|next| next.starts_with('('))
    }

    /// Returns the next word without taking it.
    pub fn peek(&mut self) -> Option<&'a str> {
        self.rest.peek().copied()
    }
}
