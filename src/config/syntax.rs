//! The texts of RON's errors.
//!
//! They repeat nothing of the configuration except short plain words: someone may
//! have written a key where something else belongs.
#![forbid(unsafe_code)]

use ron::error::{Error, SpannedError};

use super::position::Place;

/// The longest word that is repeated; a longer one may be a key.
const MAX_SHOWN: usize = 24;

/// Returns the place and the text of an error of syntax or type.
pub(super) fn reword(error: &SpannedError) -> (Place, String) {
    let at = match error.code {
        // The span ends after the wrong text.
        Error::NoSuchEnumVariant { .. }
        | Error::NoSuchStructField { .. }
        | Error::DuplicateStructField { .. }
        | Error::NoSuchExtension(_)
        | Error::InvalidValueForType { .. }
        | Error::IntegerOutOfBounds
        | Error::ExpectedStringEnd
        | Error::ExpectedDifferentStructName { .. } => &error.span.start,
        _ => &error.span.end,
    };
    (Place { line: at.line, column: at.col }, text(&error.code))
}

fn text(code: &Error) -> String {
    let plain = match code {
        Error::Eof => "unexpected end of file",
        Error::ExpectedArray => "expected a list, as in [..]",
        Error::ExpectedArrayEnd => "expected the end of the list, ]",
        Error::ExpectedAttribute | Error::ExpectedAttributeEnd => {
            "expected an attribute, as in #![enable(..)]"
        }
        Error::ExpectedBoolean => "expected true or false",
        Error::ExpectedComma => "expected a comma",
        Error::ExpectedInteger | Error::InvalidIntegerDigit { .. } => "expected a whole number",
        Error::ExpectedMap => "expected entries with names, as in {\"name\": ..}",
        Error::ExpectedMapColon => "expected a colon",
        Error::ExpectedMapEnd => "expected the end of the entries, }",
        Error::ExpectedStructLike | Error::ExpectedNamedStructLike(_) => {
            "expected fields, as in (name: ..)"
        }
        Error::ExpectedStructLikeEnd | Error::ExpectedOptionEnd => "expected a closing )",
        Error::ExpectedString => "expected a string in double quotes",
        Error::ExpectedStringEnd => "this string has no end, close it with a double quote",
        Error::ExpectedIdentifier | Error::SuggestRawIdentifier(_) => {
            "expected a word without quotes, as in Tcp(22) or name: .."
        }
        Error::ExpectedDifferentStructName { .. } => "unexpected name before the parenthesis",
        Error::InvalidEscape(_) => "unknown escape in a string",
        Error::IntegerOutOfBounds => "the number is out of range",
        Error::UnderscoreAtBeginning => "a number cannot begin with an underscore",
        Error::UnclosedBlockComment => "this comment has no end, close it with */",
        Error::TrailingCharacters => "nothing may follow the configuration",
        Error::ExceededRecursionLimit => "brackets are nested too deeply",
        _ => return long(code),
    };
    plain.to_owned()
}

fn long(code: &Error) -> String {
    match code {
        Error::UnexpectedChar(c) => format!("unexpected character {c:?}"),
        Error::NoSuchEnumVariant { expected, found, .. } => {
            format!("unknown choice{}, expected {}", shown(found), one_of(expected))
        }
        Error::NoSuchStructField { expected, found, .. } => {
            format!("unknown field{}, expected {}", shown(found), one_of(expected))
        }
        Error::MissingStructField { field, .. } => format!("field {field} is missing"),
        Error::DuplicateStructField { field, .. } => format!("field {field} appears twice"),
        Error::NoSuchExtension(_) => "unknown extension of RON".to_owned(),
        _ => "this is not valid RON".to_owned(),
    }
}

/// The identifier, unless it may be a part of a key: base64 mixes upper and lower
/// case.
fn shown(identifier: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if identifier.len() <= MAX_SHOWN && identifier.bytes().skip(1).all(plain) {
        format!(" {identifier}")
    } else {
        String::new()
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
