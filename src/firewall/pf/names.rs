//! What pf, or pf.conf(5), does not take as a name.
#![forbid(unsafe_code)]

use crate::firewall::backend;

/// What a table cannot be called.
#[must_use]
pub fn table_fault(name: &str) -> Option<&'static str> {
    let is_word = name == "keep";
    let word = "is called by a word of pf.conf, choose another name";
    backend::table_fault(name).or(is_word.then_some(word))
}

/// What an anchor cannot be called.
#[must_use]
pub fn anchor_fault(anchor: &str) -> Option<&'static str> {
    let part_fault = |part: &str| !(1..=63).contains(&part.len());
    // A star makes pf.conf load every anchor below, and names none.
    let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\' | b'*');
    if anchor.is_empty() {
        Some("names nothing, remove it for the main ruleset")
    } else if anchor.starts_with('/') {
        Some("must not begin with a slash")
    } else if anchor.len() > 1023 {
        Some("must be shorter than 1024 bytes")
    } else if anchor.split('/').any(part_fault) {
        Some("must have 1 to 63 bytes between its slashes")
    } else if anchor.bytes().any(odd) {
        Some("must be printable ASCII without spaces, quotes, backslashes and stars")
    } else if anchor.split('/').next() == Some("_pf") {
        Some("is reserved by pf, choose another name")
    } else {
        None
    }
}
