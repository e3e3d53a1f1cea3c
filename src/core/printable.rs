//! Makes texts that others wrote safe to show.

/// Escapes [unprintable](is_unprintable) characters of `text`, as Rust does.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unprintable(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character controls a terminal or the direction of text, or is
/// invisible: Unicode's general categories Cc, Zl, Zp and Cf.
#[must_use]
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_steers_it() {
        assert_eq!(escaped("Jürgen öffnet ssh"), "Jürgen öffnet ssh");
        assert_eq!(escaped("\x1b[2Jssh\r\n"), "\\u{1b}[2Jssh\\u{d}\\u{a}");
        assert_eq!(escaped("a\u{9b}b\u{202e}c"), "a\\u{9b}b\\u{202e}c");
    }
}
