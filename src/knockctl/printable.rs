//! Texts of others on a terminal.

/// `text` with escapes, as in Rust, in place of what steers a terminal or turns
/// the direction of writing.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_steering(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, separators of lines, and marks of direction and joining
/// that do not show (Unicode, general categories Cc, Zl, Zp and Cf).
fn is_steering(character: char) -> bool {
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
        assert_eq!(printable("Jürgen öffnet ssh"), "Jürgen öffnet ssh");
        assert_eq!(printable("\x1b[2Jssh\r\n"), "\\u{1b}[2Jssh\\u{d}\\u{a}");
        assert_eq!(printable("a\u{9b}b\u{202e}c"), "a\\u{9b}b\\u{202e}c");
    }
}
