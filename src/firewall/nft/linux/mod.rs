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
mod look;
mod reply;
mod request;
mod set;
mod socket;
#[cfg(test)]
mod tests;

use self::request::Change;
use self::set::Set;
use self::socket::Socket;
use super::BACKEND;
use crate::core::address::{Entry, Family};
use crate::core::door::Table;
use crate::firewall::{
    Added, Deleted, Firewall, FirewallError, FirewallErrorKind, Outcomes, Status, Trace,
    Warning,
};

/// The most entries of a set that can be listed.
pub const MAX_ENTRIES: usize = 1_000_000;

/// The fault of a set that should hold networks.
const HOSTS_ONLY: &str = "holds single addresses, no network";

/// Into how many parts a deletion is divided to find what is missing.
const PARTS: usize = 16;

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
    /// The generation up to which changes by others are counted, and how many were.
    seen: (u32, u64),
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
        let table = table.to_owned();
        Ok(Self { table, socket, generation: 0, checked: BTreeMap::new(), seen: (0, 0) })
    }

    fn set(&self, table: &Table, family: Family) -> Result<Set, FirewallError> {
        if table.anchor.is_some() {
            let advice = format!("nftables has no anchors, name table {table} without one");
            return Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None));
        }
        Set::new(&self.table, &table.name, family)
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

    /// Makes one change, of all entries or none. The inner result is the kernel's
    /// answer, from a moment in which the set existed and would have passed the
    /// check.
    fn change(
        &mut self,
        set: &Set,
        entries: &[Entry],
        change: Change,
    ) -> Result<io::Result<()>, FirewallError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (generation, holds_intervals) = self.check(set)?;
            let absent = || Ok(Err(io::Error::from_raw_os_error(libc::ENOENT)));
            let mut elements = Vec::with_capacity(entries.len());
            for entry in entries {
                match interval::elements(*entry, holds_intervals) {
                    Some(mut some) => elements.append(&mut some),
                    None if change == Change::Delete => return absent(),
                    None => return Err(set.unfit(HOSTS_ONLY, true)),
                }
                // The start of one interval and the end of another are no network.
                if change == Change::Delete
                    && holds_intervals
                    && !self.has(set, *entry, holds_intervals)?
                {
                    set.check(&self.shape(set)?)?;
                    return absent();
                }
            }
            let made = self.socket.ask(
                |sequence| request::change(change, set, &elements, generation, sequence),
                |_| Ok(()),
            );
            match made {
                Ok(()) => {
                    self.raise(generation);
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

    /// Counts a change of ours. It raised the generation that it named by one; the
    /// kernel skips 0.
    fn raise(&mut self, generation: u32) {
        self.generation = generation.checked_add(1).unwrap_or(1);
        if self.seen.0 == generation {
            self.seen.0 = self.generation;
        }
    }

    /// Deletes entries of one set. Where one is missing the kernel deletes none, so
    /// smaller parts find it. Another error is one of all.
    fn delete_some(&mut self, set: &Set, entries: &[Entry]) -> Outcomes<Deleted> {
        let all = |deleted| entries.iter().map(|entry| (*entry, Ok(deleted))).collect();
        let error = match self.change(set, entries, Change::Delete) {
            Ok(Ok(())) => return all(Deleted::Deleted),
            // The set existed in that moment, so an element is missing.
            Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOENT) => {
                if entries.len() < 2 {
                    return all(Deleted::Absent);
                }
                let parts = entries.chunks(entries.len().div_ceil(PARTS));
                return parts.flat_map(|part| self.delete_some(set, part)).collect();
            }
            Ok(Err(error)) => {
                let first = entries.first().map_or_else(String::new, ToString::to_string);
                set.failed(&format!("cannot delete {first} from"), error)
            }
            Err(error) => error,
        };
        failed(entries, &error)
    }

    /// Makes a request about each of the two sets of `table` and its `entries`.
    fn by_family<T>(
        &mut self,
        table: &Table,
        entries: &[Entry],
        mut ask: impl FnMut(&mut Self, &Set, &[Entry]) -> Outcomes<T>,
    ) -> Outcomes<T> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for family in Family::BOTH {
            let is_of = |entry: &&Entry| Family::of(entry.address()) == family;
            let some: Vec<_> = entries.iter().filter(is_of).copied().collect();
            if !some.is_empty() {
                outcomes.append(&mut match self.set(table, family) {
                    Ok(set) => ask(self, &set, &some),
                    Err(error) => failed(&some, &error),
                });
            }
        }
        outcomes
    }
}

/// The same error for all of `entries`.
fn failed<T>(entries: &[Entry], error: &FirewallError) -> Outcomes<T> {
    entries.iter().map(|entry| (*entry, Err(error.again()))).collect()
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
        let error = match self.change(&set, &[entry], Change::Add)? {
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
        let outcome = self.delete_some(&set, &[entry]).pop();
        outcome.map_or(Ok(Deleted::Absent), |(_, deleted)| deleted)
    }

    fn delete_all(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<Deleted> {
        self.by_family(table, entries, Self::delete_some)
    }

    fn add_missing(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<()> {
        self.by_family(table, entries, |nft, set, entries| {
            // In a set of intervals one that is there may be part of another.
            let is_done = nft.check(set).is_ok_and(|(_, has_intervals)| !has_intervals)
                && matches!(nft.change(set, entries, Change::AddMissing), Ok(Ok(())));
            if is_done {
                return entries.iter().map(|entry| (*entry, Ok(()))).collect();
            }
            entries.iter().map(|entry| (*entry, nft.add(table, *entry).map(drop))).collect()
        })
    }

    fn traces(&mut self, tables: &[Table]) -> Vec<Option<Trace>> {
        let trace = self.ask_generation().ok().map(|current| {
            if self.seen.0 != current {
                self.seen = (current, self.seen.1 + 1);
            }
            Trace { number: self.seen.1, is_exact: true }
        });
        vec![trace; tables.len()]
    }

    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        let (generation, holds_intervals) = self.check(&set)?;
        let has = self.has(&set, entry, holds_intervals)?;
        if self.current_generation(&set)? == generation {
            // The set is as it was checked. This is cheaper than to look at it: the
            // kernel walks along all sets to find one.
            return Ok(has);
        }
        self.checked.clear();
        let (_, holds_intervals) = self.check(&set)?;
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
