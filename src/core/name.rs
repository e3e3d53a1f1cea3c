//! Which texts are valid names.

use std::ops::RangeInclusive;

fn consists_of(text: &str, lengths: RangeInclusive<usize>, allowed: fn(u8) -> bool) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(allowed)
}

/// 1 to 64 bytes of a-z 0-9 . and -.
#[must_use]
pub fn is_server(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    consists_of(text, 1..=64, allowed)
}

/// For doors, users and sequences: a letter a-z, and up to 31 bytes of a-z 0-9 _ and - after it.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    consists_of(text, 1..=32, allowed) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// 1 to 31 bytes of letters, digits, _ . and -: what pf.conf and nft take
/// without quotes.
#[must_use]
pub fn is_table(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    consists_of(text, 1..=31, allowed)
}

/// 1 to 32 bytes of letters, digits, _ . and -, but not root.
#[must_use]
pub fn is_account(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    consists_of(text, 1..=32, allowed) && text != "root"
}

/// 1 to 15 bytes (`IFNAMSIZ` less the terminator) of letters, digits, _ . : and -.
#[must_use]
pub fn is_interface(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    consists_of(text, 1..=15, allowed)
}

/// The name or address of a host to send to: 1 to 255 letters, digits, . - and :.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    consists_of(text, 1..=255, allowed) && !text.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_lengths_and_characters() {
        type Case<'a> = (fn(&str) -> bool, usize, &'a str, &'a [&'a str]);
        let cases: [Case<'_>; 6] = [
            (is_server, 64, "gw1.example-2.org", &["Gw1", "a_b", "a b", "é"]),
            (is_plain, 32, "ssh_2-b", &["2ssh", "_ssh", "-ssh", "Ssh", "s.h", "s h"]),
            (is_table, 31, "Knock_1.a-b", &["a b", "<a>", "a/b", "a:b"]),
            (is_account, 32, "_knockd", &["root", "a b", "a:b", "a/b"]),
            (is_interface, 15, "vlan7:1", &["a b", "a/b"]),
            (is_host, 255, "2001:db8::7", &["-oProxyCommand", ".org", "a b", "a/b", "é"]),
        ];
        for (is_name, longest, good, bad) in cases {
            assert!(is_name(good), "{good}");
            assert!(is_name(&"a".repeat(longest)) && !is_name(&"a".repeat(longest + 1)));
            for text in bad.iter().chain(&["", "a\n"]) {
                assert!(!is_name(text), "{text:?}");
            }
        }
    }
}
