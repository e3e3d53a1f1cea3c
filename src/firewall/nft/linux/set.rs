//! One set of an nftables table: its name, its required type, and the messages
//! when it is missing or has another type.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;

use netlink_packet_netfilter::nftables::SetFlags;
use nix::libc;

use crate::core::address::Family;
use crate::firewall::{FirewallError, FirewallErrorKind};

/// `NFT_NAME_MAXLEN` less the terminator, linux/netfilter/nf_tables.h.
const MAX_NAME: usize = 255;

/// The suffix of a set of this family, and the type of its keys in the
/// language of nft.
const fn words(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("v4", "ipv4_addr"),
        Family::V6 => ("v6", "ipv6_addr"),
    }
}

/// nft's own number for that type (`enum datatypes` in its datatype.h; the
/// kernel only keeps it) and the bytes of a key.
const fn key(family: Family) -> (u32, u32) {
    match family {
        Family::V4 => (7, 4),
        Family::V6 => (8, 16),
    }
}

/// A set by its names. Both are as nft writes names: see [`is_name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub table: String,
    pub name: String,
    pub family: Family,
}

/// The type and the flags of a set in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `NFT_SET_*`.
    pub flags: u32,
    /// nft's number for the type of its keys.
    pub key_type: u32,
    /// Bytes of a key.
    pub key_length: u32,
    /// Whether elements expire by default.
    pub expires: bool,
    /// Whether nft merges neighbouring elements.
    pub merges: bool,
}

/// Whether nft's language can write `name`, and the kernel take it. It needs
/// no quotes in a shell either.
pub fn is_name(name: &str) -> bool {
    let tail = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(tail)
}

impl Set {
    /// The set for the addresses of one family in the table `name` of a door.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`] when nft has no such names.
    pub fn new(table: &str, name: &str, family: Family) -> Result<Self, FirewallError> {
        let name = format!("{name}_{}", words(family).0);
        if !is_name(&name) {
            let advice = format!(
                "{name:?} is no name for an nftables set, start with a letter and go on with letters, digits, _ - . or /"
            );
            return Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None));
        }
        Ok(Self { table: table.to_owned(), name, family })
    }

    /// Checks that a set of this `shape` takes addresses and keeps them until they
    /// are deleted. Returns whether it holds intervals.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`] with the declaration that the set needs.
    pub fn check(&self, shape: &Shape) -> Result<bool, FirewallError> {
        // Sets with other flags may change our entries. An entry that nft merged
        // with its neighbour cannot be deleted any more.
        let harmless =
            SetFlags::Interval | SetFlags::Timeout | SetFlags::Eval | SetFlags::Expression;
        let flags = SetFlags::from_bits_retain(shape.flags);
        let holds_intervals = flags.contains(SetFlags::Interval);
        let fault = if (shape.key_type, shape.key_length) != key(self.family) {
            "has another type"
        } else if shape.merges {
            "has auto-merge"
        } else if !harmless.contains(flags) {
            "has an unsupported flag"
        } else if shape.expires {
            "has a timeout"
        } else {
            return Ok(holds_intervals);
        };
        Err(self.unfit(fault, holds_intervals))
    }

    /// The error for a set with a `fault`, with the declaration that it needs.
    pub fn unfit(&self, fault: &str, needs_intervals: bool) -> FirewallError {
        let declaration = self.declaration(needs_intervals);
        let advice = format!("{self} {fault}, declare it as: set {} {declaration}", self.name);
        FirewallError::new(FirewallErrorKind::Unsupported, advice, None)
    }

    fn declaration(&self, has_intervals: bool) -> String {
        let key = words(self.family).1;
        let flags = if has_intervals { " flags interval;" } else { "" };
        format!("{{ type {key};{flags} }}")
    }

    /// The error when the kernel refuses to do `what` with the set, such as
    /// `cannot add 192.0.2.7 to`.
    pub fn failed(&self, what: &str, error: io::Error) -> FirewallError {
        let request = format!("{what} {self}");
        match error.raw_os_error() {
            // The system's texts for these are about files and signals.
            Some(libc::ENOENT) => missing(&[self], false),
            Some(libc::ENFILE | libc::ENOSPC) => {
                let advice = "it is full, raise its size";
                FirewallError::new(FirewallErrorKind::Full, advice, None).of(request)
            }
            Some(libc::EINTR) => {
                let advice = "it keeps changing, try again";
                FirewallError::new(FirewallErrorKind::System, advice, None).of(request)
            }
            _ => refused(&request, error),
        }
    }
}

/// The error when the kernel refuses `what`.
pub fn refused(what: &str, error: io::Error) -> FirewallError {
    if let Some(libc::EPERM | libc::EACCES) = error.raw_os_error() {
        let advice = "run as root or with CAP_NET_ADMIN";
        return FirewallError::new(FirewallErrorKind::Denied, advice, Some(error)).of(what);
    }
    let is_timeout = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ETIMEDOUT))
        || error.kind() == io::ErrorKind::TimedOut;
    let kind =
        if is_timeout { FirewallErrorKind::Unanswered } else { FirewallErrorKind::System };
    FirewallError::new(kind, "", Some(error)).of(what)
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set inet {} {}", self.table, self.name)
    }
}

/// The error for missing `sets`, with a command that creates them and changes
/// nothing else.
pub fn missing(sets: &[&Set], needs_intervals: bool) -> FirewallError {
    let names: Vec<_> = sets.iter().map(ToString::to_string).collect();
    let table = sets.first().map_or("", |set| set.table.as_str());
    let names = names.join(" and no ");
    let mut advice = format!("there is no {names}, make with: nft 'add table inet {table}");
    for set in sets {
        advice += &format!("; add {set} {}", set.declaration(needs_intervals));
    }
    advice.push('\'');
    FirewallError::new(FirewallErrorKind::Missing, advice, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(family: Family) -> Set {
        Set::new("knockd", "knock_ssh", family).unwrap()
    }

    fn plain(family: Family) -> Shape {
        let (key_type, key_length) = key(family);
        Shape { flags: 0, key_type, key_length, expires: false, merges: false }
    }

    #[test]
    fn the_advice_for_missing_sets_is_one_command() {
        let error = missing(&[&set(Family::V4), &set(Family::V6)], false);
        assert_eq!(
            error.to_string(),
            "there is no set inet knockd knock_ssh_v4 and no set inet knockd knock_ssh_v6, \
             make with: nft 'add table inet knockd; \
             add set inet knockd knock_ssh_v4 { type ipv4_addr; }; \
             add set inet knockd knock_ssh_v6 { type ipv6_addr; }'"
        );
    }

    #[test]
    fn names_that_nft_cannot_write_are_refused() {
        for name in ["", "1st", "_a", "a b", "a'b", "a\0b", "a;b", "ä", "a\n"] {
            assert!(!is_name(name), "{name:?}");
        }
        for name in ["knock_ssh", "K", "a-b.c/d"] {
            assert!(is_name(name), "{name:?}");
        }
        assert!(is_name(&"a".repeat(255)) && !is_name(&"a".repeat(256)));
        let long = Set::new("knockd", &"a".repeat(253), Family::V4).unwrap_err();
        assert_eq!(long.kind, FirewallErrorKind::Unsupported);
    }

    #[test]
    fn only_sets_of_addresses_that_stay_are_accepted() {
        for family in Family::BOTH {
            let flagged = |flags: SetFlags| Shape { flags: flags.bits(), ..plain(family) };
            let passes = |shape: &Shape| set(family).check(shape).is_ok();
            assert!(passes(&plain(family)));
            assert!(passes(&flagged(SetFlags::Timeout | SetFlags::Eval)));
            assert!(passes(&flagged(SetFlags::Interval)));
            let merged = Shape { merges: true, ..flagged(SetFlags::Interval) };
            assert!(!passes(&merged));
            assert!(!passes(&flagged(SetFlags::Map)));
            assert!(!passes(&flagged(SetFlags::Constant)));
            assert!(!passes(&flagged(SetFlags::from_bits_retain(1 << 31))));
            assert!(!passes(&Shape { expires: true, ..plain(family) }));
            assert!(!passes(&Shape { key_type: 9, ..plain(family) }));
            assert!(!passes(&Shape { key_length: 6, ..plain(family) }));
        }
    }
}
