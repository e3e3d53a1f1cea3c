//! Questions about sets: their type, and what they hold.
#![forbid(unsafe_code)]

use std::io;

use nix::libc;

use super::reply::{self, Element};
use super::set::{self, Set, Shape};
use super::{MAX_ENTRIES, Nft, interval, request};
use crate::core::address::Entry;
use crate::firewall::{FirewallError, FirewallErrorKind};

impl Nft {
    pub(super) fn shape(&mut self, set: &Set) -> Result<Shape, FirewallError> {
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

    pub(super) fn ask_generation(&mut self) -> io::Result<u32> {
        let mut generation = 0;
        self.socket.ask(request::get_generation, |object| {
            generation = reply::generation(object)?;
            Ok(())
        })?;
        Ok(generation)
    }

    pub(super) fn current_generation(&mut self, set: &Set) -> Result<u32, FirewallError> {
        match self.ask_generation() {
            Ok(generation) => Ok(generation),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) =>
            {
                let advice = "this kernel has no nftables, load its module nf_tables";
                Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, Some(error)))
            }
            Err(error) => Err(set.failed("cannot look at", error)),
        }
    }

    /// Returns why no packet meets the table's rules, if none does. Whether a rule
    /// refers to a set is not checked.
    pub(super) fn idle(&mut self) -> Result<Option<String>, FirewallError> {
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
    pub(super) fn has(
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

    pub(super) fn list_one(&mut self, set: &Set) -> Result<Vec<Entry>, FirewallError> {
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
