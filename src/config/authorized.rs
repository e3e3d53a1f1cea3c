//! Lines of authorized_keys, as sshd(8) describes them.
//!
//! Options that a knock can honour are honoured; any other is refused: a line
//! that means less here than it does to sshd would let too much in.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use base64ct::{Base64, Encoding};

use super::date;
use crate::core::address::{Entry, Networks};
use crate::core::credential::{self, BadKey, Credential, ProofKind};
use crate::core::time::Wall;

/// The most lines that count in one file.
pub const MAX_KEYS: usize = 32;
/// The most networks that a user or a key is bound to: each costs every token
/// a look.
pub const MAX_NETWORKS: usize = 64;

/// Every key of a file; comments and empty lines count for nothing.
///
/// # Errors
/// The first line that is wrong, by its number, and why; 0 for the file as a
/// whole.
pub fn parse_file(bytes: &[u8]) -> Result<Vec<Credential>, (usize, String)> {
    let text = std::str::from_utf8(bytes).map_err(|_| (0, "it is not UTF-8".into()))?;
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if keys.len() == MAX_KEYS {
            return Err((number, format!("one user has at most {MAX_KEYS} keys")));
        }
        keys.push(parse_line(line).map_err(|why| (number, why))?);
    }
    if keys.is_empty() { Err((0, "it holds no key".into())) } else { Ok(keys) }
}

/// One line: options, type, key and comment.
///
/// # Errors
/// Why not. Nothing of the line is repeated but the names of its options and
/// of its type: someone may have taken a private key.
pub fn parse_line(line: &str) -> Result<Credential, String> {
    let line = line.trim();
    let is_type = |word: &str| {
        ["ssh-", "sk-", "ecdsa-"].iter().any(|begin| word.starts_with(begin))
            && !word.contains(['=', ',', '"'])
    };
    let (options, rest) = match line.split_once([' ', '\t']) {
        Some((first, _)) if is_type(first) => ("", line),
        _ => split_options(line).ok_or("it is no line of authorized_keys")?,
    };
    let options = Options::parse(options)?;
    let mut words = rest.split_ascii_whitespace();
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        return Err("it is no line of authorized_keys, TYPE KEY COMMENT".into());
    };
    let Options { from, not_after, verify } = options;
    let Some(kind) = ProofKind::ssh().find(|known| known.name == kind) else {
        let kind = if is_type(kind) { kind } else { "others" };
        return Err(format!("keys are {}, not {kind}", names(|_| true)));
    };
    if verify && !kind.needs_touch {
        let types = names(|kind| kind.needs_touch);
        return Err(format!("verify-required takes a key of type {types}"));
    }
    let invalid = || format!("invalid {} public key", kind.name);
    let blob = Base64::decode_vec(base64).map_err(|_| invalid())?;
    let key = credential::read_ssh(&blob, verify).map_err(|bad| match bad {
        BadKey::Malformed => invalid(),
        BadKey::Weak => "this public key is weak, anybody could sign for it".into(),
    })?;
    if key.kind() != kind {
        return Err(invalid());
    }
    Ok(Credential { from, not_after, ..key.into() })
}

/// The types of ssh keys that `are_meant`.
fn names(are_meant: fn(&ProofKind) -> bool) -> String {
    let kinds = ProofKind::ssh().filter(|kind| are_meant(kind));
    kinds.map(|kind| kind.name).collect::<Vec<_>>().join(" or ")
}

/// The options and what comes behind them: the first space that stands in no
/// quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let mut outside = Outside::default();
    let end = line.find(|c: char| outside.pass(c) && (c == ' ' || c == '\t'))?;
    let (options, rest) = line.split_at(end);
    Some((options, rest.trim_start()))
}

/// Whether characters stand outside of quotes; `\"` ends none.
#[derive(Default)]
struct Outside {
    is_quoted: bool,
    is_escaped: bool,
}

impl Outside {
    fn pass(&mut self, c: char) -> bool {
        if c == '"' && !self.is_escaped {
            self.is_quoted = !self.is_quoted;
        }
        self.is_escaped = c == '\\' && !self.is_escaped;
        !self.is_quoted
    }
}

/// What options say.
#[derive(Default)]
struct Options {
    from: Networks,
    not_after: Option<Wall>,
    verify: bool,
}

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut outside = Outside::default();
        for option in text.split(|c: char| outside.pass(c) && c == ',') {
            if !option.is_empty() {
                options.take(option)?;
            }
        }
        Ok(options)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquote(value))),
            None => (option, None),
        };
        let name = name.to_ascii_lowercase();
        match (name.as_str(), value) {
            ("from", Some(Some(list))) => {
                if self.from != Networks::default() {
                    return Err("from= stands there twice".into());
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
                return Err("certificates are not taken, name each key".into());
            }
            _ if name.len() <= 32
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') =>
            {
                return Err(format!(
                    "option {name} means nothing to a knock, take the line without it"
                ));
            }
            _ => return Err("it is no line of authorized_keys".into()),
        }
        Ok(())
    }
}

/// What stands between the quotes, if all of it does.
fn unquote(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// The patterns of `from=`: addresses and networks, with `!` those to refuse.
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

/// An address, or a network with its prefix.
///
/// # Errors
/// What to write instead.
pub fn network(text: &str) -> Result<Entry, String> {
    const WANTED: &str =
        "takes addresses and networks, as in 192.0.2.0/24 or 2001:db8::/32, and no names";
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
        Some(network) => Err(format!("takes networks without more bits: write {network}")),
        None => Err(WANTED.into()),
    }
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with `Z`.
fn expiry(text: &str) -> Result<Wall, String> {
    let time = text.strip_suffix('Z').ok_or(
        "expiry-time= without Z depends on where the clock hangs, write it in UTC, \
         as in 20270131Z",
    )?;
    date::parse_compact(time)
        .ok_or_else(|| "expiry-time= is YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ".into())
}
