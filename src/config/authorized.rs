//! Lines of authorized_keys, as sshd(8) describes them.
//!
//! Options that do not apply to a knock are errors: a line that restricts less
//! here than in sshd would admit too much.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use base64ct::{Base64, Encoding};

use super::date;
use super::problem::LineFault;
use crate::core::address::{Entry, Networks};
use crate::core::credential::{self, BadKey, Credential, ProofKind};
use crate::core::time::Wall;

/// The most keys in one file.
pub const MAX_KEYS: usize = 32;
/// The most networks of a user or a key: each token is compared with all of them.
pub const MAX_NETWORKS: usize = 64;

/// Parses the keys of a file. Skips comments and empty lines.
///
/// # Errors
/// The first line that is wrong.
pub fn parse_file(bytes: &[u8]) -> Result<Vec<Credential>, LineFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| (0, "the text is not UTF-8".into()))?;
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if keys.len() == MAX_KEYS {
            return Err((number, format!("more than {MAX_KEYS} keys, remove some")));
        }
        keys.push(parse_line(line).map_err(|why| (number, why))?);
    }
    if keys.is_empty() { Err((0, "there is no key, add one".into())) } else { Ok(keys) }
}

/// Parses a line: options, type, key and comment.
///
/// # Errors
/// What is wrong. Repeats only the names of options and the type, because someone
/// may have written a private key.
pub fn parse_line(line: &str) -> Result<Credential, String> {
    let line = line.trim();
    let is_type = |word: &str| {
        ["ssh-", "sk-", "ecdsa-"].iter().any(|begin| word.starts_with(begin))
            && !word.contains(['=', ',', '"'])
    };
    let (options, rest) = match line.split_once([' ', '\t']) {
        Some((first, _)) if is_type(first) => ("", line),
        _ => split_options(line).ok_or(NO_LINE)?,
    };
    let options = KeyOptions::parse(options)?;
    let mut words = rest.split_ascii_whitespace();
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        return Err(NO_LINE.into());
    };
    let KeyOptions { from, not_after, verify } = options;
    let Some(kind) = ProofKind::ssh().find(|known| known.name == kind) else {
        let kind = if is_type(kind) { kind } else { "this" };
        return Err(format!("{kind} is not a known key type, use {}", names(|_| true)));
    };
    if verify && !kind.needs_touch {
        let types = names(|kind| kind.needs_touch);
        return Err(format!("verify-required needs a key of type {types}"));
    }
    let invalid = || format!("invalid {} public key", kind.name);
    let blob = Base64::decode_vec(base64).map_err(|_| invalid())?;
    let key = credential::read_ssh(&blob, verify).map_err(|bad| match bad {
        BadKey::Malformed => invalid(),
        BadKey::Weak => WEAK.into(),
    })?;
    if key.kind() != kind {
        return Err(invalid());
    }
    Ok(Credential { from, not_after, ..key.into() })
}

const NO_LINE: &str = "not a line of authorized_keys, write TYPE KEY COMMENT";
/// The error for a public key for which anybody can make signatures.
pub const WEAK: &str = "this public key is weak, anybody can sign for it: create another";

/// The types of ssh keys that pass `filter`.
fn names(filter: fn(&ProofKind) -> bool) -> String {
    let kinds = ProofKind::ssh().filter(|kind| filter(kind));
    kinds.map(|kind| kind.name).collect::<Vec<_>>().join(" or ")
}

/// Splits a line after its options, at the first blank outside of quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let mut quotes = Quotes::default();
    let end = line.find(|c: char| quotes.is_outside(c) && (c == ' ' || c == '\t'))?;
    let (options, rest) = line.split_at(end);
    Some((options, rest.trim_start()))
}

/// Tracks quotes; `\"` does not end one.
#[derive(Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Whether the next character is outside of quotes.
    fn is_outside(&mut self, next: char) -> bool {
        if next == '"' && !self.is_escaped {
            self.is_open = !self.is_open;
        }
        self.is_escaped = next == '\\' && !self.is_escaped;
        !self.is_open
    }
}

/// The options of a key.
#[derive(Default)]
struct KeyOptions {
    from: Networks,
    not_after: Option<Wall>,
    verify: bool,
}

impl KeyOptions {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut quotes = Quotes::default();
        for option in text.split(|c: char| quotes.is_outside(c) && c == ',') {
            if !option.is_empty() {
                options.add(option)?;
            }
        }
        Ok(options)
    }

    fn add(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquote(value))),
            None => (option, None),
        };
        let name = name.to_ascii_lowercase();
        match (name.as_str(), value) {
            ("from", Some(Some(list))) => {
                if self.from != Networks::default() {
                    return Err("from= appears twice, join the lists".into());
                }
                self.from = networks(list)?;
            }
            ("expiry-time", Some(Some(time))) => {
                let end = expiry(time)?;
                self.not_after = Some(self.not_after.map_or(end, |other| other.min(end)));
            }
            ("verify-required", None) => self.verify = true,
            ("from" | "expiry-time", _) => {
                return Err(format!("{name}= needs a value in quotes"));
            }
            ("no-touch-required", None) => {
                return Err(
                    "a security key must always be touched, remove no-touch-required".into()
                );
            }
            ("cert-authority", None) => {
                return Err("certificates are not supported, name each key".into());
            }
            _ if name.len() <= 32
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') =>
            {
                return Err(format!("option {name} does not apply to a knock, remove it"));
            }
            _ => return Err(NO_LINE.into()),
        }
        Ok(())
    }
}

/// The text between the quotes, if all of it is.
fn unquote(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// Parses the patterns of `from=`: addresses and networks, denied if after `!`.
fn networks(list: &str) -> Result<Networks, String> {
    let mut networks = Networks::default();
    if list.split(',').count() > MAX_NETWORKS {
        return Err(format!("from= names more than {MAX_NETWORKS} networks, join some"));
    }
    for pattern in list.split(',').map(str::trim) {
        let (denied, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        let network = network(pattern).map_err(|why| format!("from= {why}"))?;
        let list = if denied { &mut networks.denied } else { &mut networks.allowed };
        list.push(network);
    }
    if networks.allowed.is_empty() {
        return Err("from= allows nothing, name a network without !".into());
    }
    Ok(networks)
}

/// Parses an address, or a network with its prefix.
///
/// # Errors
/// What to write instead.
pub fn network(text: &str) -> Result<Entry, String> {
    const WANTED: &str =
        "must have addresses or networks like 192.0.2.0/24 and 2001:db8::/32, no names";
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| WANTED)?;
    let Some(prefix) = prefix else { return Ok(Entry::host(address.to_canonical())) };
    let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|_| is_number).ok_or(WANTED)?;
    match Entry::new(address, prefix) {
        Some(network) if network.address() == address => Ok(network),
        Some(network) => Err(format!("has bits after the prefix: write {network}")),
        None => Err(WANTED.into()),
    }
}

/// Parses `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with `Z`.
fn expiry(text: &str) -> Result<Wall, String> {
    let time = text
        .strip_suffix('Z')
        .ok_or("expiry-time= needs a trailing Z (UTC), as in 20270131Z")?;
    date::parse_compact(time).ok_or_else(|| {
        "expiry-time= must be YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ".into()
    })
}
