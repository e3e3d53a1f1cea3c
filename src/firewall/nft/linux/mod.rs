//! Sets of nftables, over netlink.
//!
//! A door's table `knock_ssh` is two sets in one nftables table of the family
//! inet: `knock_ssh_v4` of `ipv4_addr` and `knock_ssh_v6` of `ipv6_addr`. The
//! administrator declares them; only their elements are changed here.
//!
//! A set of intervals holds networks too, but not one within another. Each is
//! written as its start and its end: a lone address would admit all addresses
//! above it.
//!
//! A reload of the ruleset may replace a set by one of another type. So a set is
//! checked first, and each change names the generation of the ruleset that was
//! checked. When the ruleset was changed since, the kernel refuses the change
//! (`ERESTART`), and the set is checked again.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use nix::libc;

mod interval;
mod reply;
mod request;
mod set;
mod socket;
#[cfg(test)]
mod tests;

use self::reply::Element;
use self::request::Change;
use self::set::{Set, Shape};
use self::socket::Socket;
use super::BACKEND;
use crate::core::address::{Entry, Family};
use crate::core::door::Table;
use crate::firewall::{
    Added, Deleted, Firewall, FirewallError, FirewallErrorKind, Status, Warning,
};

/// The most entries of a set that can be listed.
pub const MAX_ENTRIES: usize = 1_000_000;

/// The fault of a set that should hold networks.
const HOSTS_ONLY: &str = "holds single addresses, no network";

/// How long a change is tried while others keep changing the ruleset.
const PATIENCE: Duration = Duration::from_millis(200);

/// The sets of one nftables table.
#[derive(Debug)]
pub struct Nft {
    table: String,
    socket: Socket,
    /// The generation of the ruleset in which `checked` holds.
    generation: u32,
    /// Names of sets that passed [`Set::check`], at most two for a door, and
    /// whether they hold intervals.
    checked: BTreeMap<String, bool>,
}

impl Nft {
    /// Opens a socket, for sets in `table` of the family inet. Makes no request.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`] when nft has no such names or the kernel has no
    /// netfilter, [`FirewallErrorKind::System`] when the socket cannot be opened.
    pub fn open(table: &str) -> Result<Self, FirewallError> {
        if !set::is_name(table) {
            let advice = format!(
                "{table:?} is no name for an nftables table, start with a letter and go on with letters, digits, _ - . or /"
            );
            return Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None));
        }
        let socket = Socket::open().map_err(|error| {
            let kind = match error.raw_os_error() {
                Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => {
                    FirewallErrorKind::Unsupported
                }
                _ => FirewallErrorKind::System,
            };
            FirewallError::new(kind, "cannot open a netlink socket to netfilter", Some(error))
        })?;
        Ok(Self { table: table.to_owned(), socket, generation: 0, checked: BTreeMap::new() })
    }

    fn set(&self, table: &Table, family: Family) -> Result<Set, FirewallError> {
        if table.anchor.is_some() {
            let advice = format!("nftables has no anchors, name table {table} without one");
            return Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None));
        }
        Set::new(&self.table, &table.name, family)
    }

    fn shape(&mut self, set: &Set) -> Result<Shape, FirewallError> {
        let mut shape = None;
        let asked = self.socket.ask(
            |sequence| request::get_set(set, sequence),
            |object| {
                shape = Some(reply::shape(object)?);
                Ok(())
            },
        );
        asked.map_err(|error| set.failed("cannot look at", error))?;
        shape.ok_or_else(|| set.failed("cannot look at", io::ErrorKind::InvalidData.into()))
    }

    fn current_generation(&mut self, set: &Set) -> Result<u32, FirewallError> {
        let mut generation = 0;
        let asked = self.socket.ask(request::get_generation, |object| {
            generation = reply::generation(object)?;
            Ok(())
        });
        match asked {
            Ok(()) => Ok(generation),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) =>
            {
                let advice = "this kernel has no nftables, load its module nf_tables";
                Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, Some(error)))
            }
            Err(error) => Err(set.failed("cannot look at", error)),
        }
    }

    /// Checks `set`, unless that is done. Returns the generation in which it
    /// passed, and whether it holds intervals.
    fn check(&mut self, set: &Set) -> Result<(u32, bool), FirewallError> {
        let known = self.checked.get(&set.name).copied();
        let holds_intervals = if let Some(known) = known {
            known
        } else {
            // The generation first: if the set changes in between, the number is
            // too low and the kernel refuses the change.
            let generation = self.current_generation(set)?;
            if generation != self.generation {
                self.checked.clear();
                self.generation = generation;
            }
            let holds_intervals = set.check(&self.shape(set)?)?;
            self.checked.insert(set.name.clone(), holds_intervals);
            holds_intervals
        };
        Ok((self.generation, holds_intervals))
    }

    /// Makes one change. The inner result is the kernel's answer, from a moment
    /// in which the set existed and would have passed the check.
    fn change(
        &mut self,
        set: &Set,
        entry: Entry,
        change: Change,
    ) -> Result<io::Result<()>, FirewallError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (generation, holds_intervals) = self.check(set)?;
            let absent = || Ok(Err(io::Error::from_raw_os_error(libc::ENOENT)));
            let Some(elements) = interval::elements(entry, holds_intervals) else {
                if change == Change::Delete {
                    return absent();
                }
                return Err(set.unfit(HOSTS_ONLY, true));
            };
            // The start of one interval and the end of another are no network.
            if change == Change::Delete
                && holds_intervals
                && !self.has(set, entry, holds_intervals)?
            {
                set.check(&self.shape(set)?)?;
                return absent();
            }
            let made = self.socket.ask(
                |sequence| request::change(change, set, &elements, generation, sequence),
                |_| Ok(()),
            );
            match made {
                Ok(()) => {
                    // The change raised the generation by one; the kernel skips
                    // 0.
                    self.generation = generation.checked_add(1).unwrap_or(1);
                    return Ok(Ok(()));
                }
                Err(error) if error.raw_os_error() == Some(libc::ERESTART) => {
                    self.checked.clear()
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        let advice =
            format!("cannot change {set}, others keep changing the ruleset, try again");
        Err(FirewallError::new(FirewallErrorKind::System, advice, None))
    }

    /// Returns why no packet meets the table's rules, if none does. Whether a rule
    /// refers to a set is not checked.
    fn idle(&mut self) -> Result<Option<String>, FirewallError> {
        let table = self.table.as_str();
        let what = format!("cannot look at table inet {table}");
        let mut dormant = false;
        let asked = self.socket.ask(
            |sequence| request::get_table(table, sequence),
            |object| {
                dormant = reply::is_dormant(object)?;
                Ok(())
            },
        );
        match asked {
            Ok(()) if dormant => return Ok(Some(format!("table inet {table} is dormant"))),
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                return Ok(Some(format!("there is no table inet {table}")));
            }
            Err(error) => return Err(set::refused(&what, error)),
        }
        let chains =
            self.socket.list(request::get_chains, |object, chains: &mut Vec<Vec<u8>>| {
                chains.extend(reply::hooked_chain(object, table)?.map(<[u8]>::to_vec));
                Ok(())
            });
        let chains = chains.map_err(|error| set::refused(&what, error))?;
        Ok(chains.is_empty().then(|| format!("no chain of table inet {table} has a hook")))
    }

    /// The elements at `wanted`, or those of the intervals around them. Empty if
    /// one is missing, or the set.
    fn find(&mut self, set: &Set, wanted: &[Element]) -> Result<Vec<Element>, FirewallError> {
        let mut found = Vec::new();
        let asked = self.socket.ask(
            |sequence| request::get_some(set, wanted, sequence),
            |object| reply::elements(object, set.family, &mut found),
        );
        match asked {
            Ok(()) => Ok(found),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(set.failed("cannot look into", error)),
        }
    }

    /// Whether a set holds exactly this entry. A missing set holds none.
    fn has(
        &mut self,
        set: &Set,
        entry: Entry,
        has_intervals: bool,
    ) -> Result<bool, FirewallError> {
        let Some(expected) = interval::elements(entry, has_intervals) else { return Ok(false) };
        let (start, end) = expected.split_at(1);
        if self.find(set, start)? != start {
            return Ok(false);
        }
        if !has_intervals {
            return Ok(true);
        }
        // If the last address belongs to the same start, nothing lies between the
        // bounds. The kernel may miss an end or a start at the address of the
        // other (`__nft_rbtree_get`), so a failure proves nothing.
        let last = Element { address: Some(interval::last(entry)), is_start: true };
        if self.find(set, &[&[last], end].concat())? == expected {
            return Ok(true);
        }
        Ok(self.list_one(set)?.contains(&entry))
    }

    fn list_one(&mut self, set: &Set) -> Result<Vec<Entry>, FirewallError> {
        let holds_intervals = set.check(&self.shape(set)?)?;
        let listed = self.socket.list(
            |sequence| request::get_elements(set, sequence),
            |object, elements| {
                if elements.len() > MAX_ENTRIES * if holds_intervals { 2 } else { 1 } {
                    return Err(io::Error::other(format!("more than {MAX_ENTRIES} entries")));
                }
                reply::elements(object, set.family, elements)
            },
        );
        let listed = listed.map_err(|error| set.failed("cannot list", error))?;
        Ok(interval::entries(&listed, set.family, holds_intervals))
    }
}

impl Firewall for Nft {
    fn probe(&mut self, table: &Table) -> Result<(), FirewallError> {
        // An earlier check proves nothing now.
        self.checked.clear();
        let sets = [self.set(table, Family::V4)?, self.set(table, Family::V6)?];
        let mut missing = Vec::new();
        for set in &sets {
            match self.check(set) {
                Ok(_) => {}
                Err(error) if error.kind == FirewallErrorKind::Missing => missing.push(set),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(set::missing(&missing, false)) }
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        let error = match self.change(&set, entry, Change::Add)? {
            Ok(()) => return Ok(Added::Added),
            Err(error) => error,
        };
        match error.raw_os_error() {
            // Only part of the network may be there.
            Some(libc::EEXIST | libc::ENOTEMPTY)
                if self.checked.get(&set.name) == Some(&true) =>
            {
                if self.holds(table, entry)? {
                    return Ok(Added::Present);
                }
                let advice = "another entry overlaps it: delete that entry";
                let error = FirewallError::new(FirewallErrorKind::System, advice, None);
                Err(error.of(format!("cannot add {entry} to {set}")))
            }
            Some(libc::EEXIST) => Ok(Added::Present),
            _ => Err(set.failed(&format!("cannot add {entry} to"), error)),
        }
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        match self.change(&set, entry, Change::Delete)? {
            Ok(()) => Ok(Deleted::Deleted),
            // The set existed in that moment, so the element is missing.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Deleted::Absent),
            Err(error) => Err(set.failed(&format!("cannot delete {entry} from"), error)),
        }
    }

    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        let holds_intervals = set.check(&self.shape(&set)?)?;
        let has = self.has(&set, entry, holds_intervals)?;
        // The set may have gone in between.
        set.check(&self.shape(&set)?)?;
        Ok(has)
    }

    fn nests_networks(&self) -> bool {
        BACKEND.nests_networks
    }

    fn takes_networks(&mut self, table: &Table, family: Family) -> Result<(), FirewallError> {
        let set = self.set(table, family)?;
        self.checked.clear();
        match self.check(&set) {
            Ok((_, true)) => Ok(()),
            Ok((_, false)) => Err(set.unfit(HOSTS_ONLY, true)),
            Err(error) if error.kind == FirewallErrorKind::Missing => {
                Err(set::missing(&[&set], true))
            }
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, FirewallError> {
        let mut entries = Vec::new();
        for family in Family::BOTH {
            let set = self.set(table, family)?;
            entries.append(&mut self.list_one(&set)?);
        }
        Ok(entries)
    }

    fn status(&mut self) -> Result<Status, FirewallError> {
        Ok(if self.idle()?.is_none() { Status::Enforcing } else { Status::Disabled })
    }

    fn review(&mut self, _: &[Table], _: &[String]) -> Result<Vec<Warning>, FirewallError> {
        let warning = |why| Warning::Idle { why, todo: "load its rules" };
        Ok(self.idle()?.map(warning).into_iter().collect())
    }
}
