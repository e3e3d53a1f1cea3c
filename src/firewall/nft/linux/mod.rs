//! Sets of nftables, over netlink.
//!
//! A door's table `knock_ssh` is two sets in one nftables table of the family
//! inet: `knock_ssh_v4` of `ipv4_addr` and `knock_ssh_v6` of `ipv6_addr`. The
//! administrator declares them; only their elements are changed here.
//!
//! A reload of the ruleset may replace a set by one of another type. In a set of
//! intervals a single address would admit all addresses above it. So a set is
//! checked first, and each change names the generation of the ruleset that was
//! checked. When the ruleset was changed since, the kernel refuses the change
//! (`ERESTART`), and the set is checked again.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use nix::libc;

mod reply;
mod request;
mod set;
mod socket;
#[cfg(test)]
mod tests;

use self::request::Change;
use self::set::{Set, Shape};
use self::socket::Socket;
use crate::core::address::{Entry, Family};
use crate::core::door::Table;
use crate::firewall::{
    Added, Deleted, Firewall, FirewallError, FirewallErrorKind, Status, Warning,
};

/// The most entries of a set that can be listed.
pub const MAX_ENTRIES: usize = 1_000_000;

/// How long a change is tried while others keep changing the ruleset.
const PATIENCE: Duration = Duration::from_millis(200);

/// The sets of one nftables table.
#[derive(Debug)]
pub struct Nft {
    table: String,
    socket: Socket,
    /// The generation of the ruleset in which `checked` holds.
    generation: u32,
    /// Names of sets that passed [`Set::check`]; at most two for a door.
    checked: BTreeSet<String>,
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
        Ok(Self { table: table.to_owned(), socket, generation: 0, checked: BTreeSet::new() })
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
    /// passed.
    fn check(&mut self, set: &Set) -> Result<u32, FirewallError> {
        if !self.checked.contains(&set.name) {
            // The generation first: if the set changes in between, the number is
            // too low and the kernel refuses the change.
            let generation = self.current_generation(set)?;
            if generation != self.generation {
                self.checked.clear();
                self.generation = generation;
            }
            set.check(&self.shape(set)?)?;
            self.checked.insert(set.name.clone());
        }
        Ok(self.generation)
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
            let generation = self.check(set)?;
            let made = self.socket.ask(
                |sequence| request::change(change, set, entry.address(), generation, sequence),
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

    fn list_one(&mut self, set: &Set) -> Result<Vec<Entry>, FirewallError> {
        set.check(&self.shape(set)?)?;
        let listed = self.socket.list(
            |sequence| request::get_elements(set, sequence),
            |object, entries| {
                if entries.len() > MAX_ENTRIES {
                    return Err(io::Error::other(format!("more than {MAX_ENTRIES} entries")));
                }
                reply::elements(object, set.family, entries)
            },
        );
        listed.map_err(|error| set.failed("cannot list", error))
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
        if missing.is_empty() { Ok(()) } else { Err(set::missing(&missing)) }
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        only_hosts(&set, entry)?;
        match self.change(&set, entry, Change::Add)? {
            Ok(()) => Ok(Added::Added),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(Added::Present),
            Err(error) => Err(set.failed(&format!("cannot add {entry} to"), error)),
        }
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        only_hosts(&set, entry)?;
        match self.change(&set, entry, Change::Delete)? {
            Ok(()) => Ok(Deleted::Deleted),
            // The set existed in that moment, so the element is missing.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Deleted::Absent),
            Err(error) => Err(set.failed(&format!("cannot delete {entry} from"), error)),
        }
    }

    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        let set = self.set(table, Family::of(entry.address()))?;
        only_hosts(&set, entry)?;
        let mut found = Vec::new();
        let asked = self.socket.ask(
            |sequence| request::get_element(&set, entry.address(), sequence),
            |object| reply::elements(object, set.family, &mut found),
        );
        // ENOENT may mean the set or the element, so check the set too.
        set.check(&self.shape(&set)?)?;
        match asked {
            Ok(()) => Ok(found.contains(&entry)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(set.failed(&format!("cannot look up {entry} in"), error)),
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

/// # Errors
/// [`FirewallErrorKind::Unsupported`] for a network: these sets hold single addresses.
fn only_hosts(set: &Set, entry: Entry) -> Result<(), FirewallError> {
    if entry == Entry::host(entry.address()) {
        return Ok(());
    }
    let advice = format!("{set} holds single addresses, add {entry} to a set of your own");
    Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
}
