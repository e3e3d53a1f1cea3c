//! Tables and states of pf, on FreeBSD, OpenBSD and macOS.
//!
//! Each system is data: the file named after it describes its structures and
//! requests as an [`abi::Abi`]. All of them are compiled and checked on every
//! host. [`table`], [`states`] and [`status`] encode requests and decode answers,
//! a [`Device`] carries them to a kernel, and [`advice`] explains errors.
//!
//! Only [`system`] depends on the system that this program runs on. [`ruleset`]
//! judges rules.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use super::{
    Added, Backend, Deleted, Firewall, FirewallError, FirewallErrorKind, Kill, Outcomes,
    Status, Trace, Warning,
};
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::ioctl::layout::Request;
use crate::ioctl::{Descriptor, Device};

pub mod abi;
pub mod advice;
#[cfg(target_os = "macos")]
mod anchor;
pub mod dialect;
mod entries;
pub mod freebsd;
pub mod freebsd32;
pub mod macos;
mod names;
pub mod nvlist;
pub mod openbsd;
pub mod ruleset;
pub mod states;
pub mod status;
pub mod system;
pub mod table;

pub use abi::Abi;

const ABSENT: &str = "this system has no pf: configure another firewall";

/// pf.
pub static BACKEND: Backend = Backend {
    title: "pf",
    absent: if system::ABI.is_none() { Some(ABSENT) } else { None },
    enforces: true,
    field: None,
    table_fault: names::table_fault,
    anchor_fault: Some(names::anchor_fault),
    nests_networks: true,
    kills_states: true,
    creates_tables: true,
    counts_references: true,
    uncounted: match system::ABI {
        Some(Abi { reference: Some(_), .. }) => None,
        _ => Some("only macOS counts references to pf, remove enable_pf"),
    },
    open: |_| open(),
    judge: Some(ruleset::judge),
};

/// Opens pf of the system that this program was built for.
///
/// # Errors
/// [`FirewallErrorKind::Missing`] without pf in the kernel, [`FirewallErrorKind::Denied`] without root,
/// [`FirewallErrorKind::Unsupported`] on a system without pf.
pub fn open() -> Result<Box<dyn Firewall>, FirewallError> {
    let Some(abi) = system::ABI else {
        return Err(FirewallError::new(FirewallErrorKind::Unsupported, ABSENT, None));
    };
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC)
        .open("/dev/pf")
        .map_err(|error| advice::cannot_open(abi, error))?;
    Ok(Box::new(Pf::new(Descriptor(device), abi)))
}

/// pf, reached through a device.
#[derive(Debug)]
pub struct Pf<D> {
    device: D,
    abi: &'static Abi,
    /// How many entries more than at the start each table has through our requests.
    ours: BTreeMap<Table, i64>,
}

impl<D: Device> Pf<D> {
    /// The pf of `device`, with the requests of `abi`.
    pub const fn new(device: D, abi: &'static Abi) -> Self {
        Self { device, abi, ours: BTreeMap::new() }
    }

    /// Makes a request about `table` with these elements and flags (`PFR_FLAG_*`).
    /// Returns the argument as the kernel left it. The kernel may change the
    /// elements too.
    fn ask(
        &mut self,
        pick: impl FnOnce(&abi::Tables) -> &Request,
        table: &Table,
        (elements, flags): (&mut [u8], u32),
        what: &str,
    ) -> Result<Vec<u8>, FirewallError> {
        let (abi, layout) = (self.abi, &self.abi.tables);
        let mut argument = table::argument(abi, table)?;
        layout.flags.put(&mut argument, flags.into());
        let count = elements.len() / layout.entry.size;
        table::announce(abi, &mut argument, layout.entry.size, count);
        self.device
            .ioctl(pick(layout), &mut argument, elements)
            .map_err(|error| advice::about_table(abi, what, table, error))?;
        Ok(argument)
    }
}

impl<D: Device> Firewall for Pf<D> {
    /// Adds no entries; pf fails as it would with one.
    fn probe(&mut self, table: &Table) -> Result<(), FirewallError> {
        self.ask(|tables| &tables.add, table, (&mut [], 0), "cannot use").map(drop)
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError> {
        let what = format!("cannot add {entry} to");
        let mut element = table::encode(self.abi, entry);
        if self.add_elements(table, &mut element, &what)? > 0 {
            return Ok(Added::Added);
        }
        if self.has_conflict(&element) {
            let advice = format!("it holds !{entry}: delete that");
            let error = FirewallError::new(FirewallErrorKind::Denied, advice, None);
            return Err(error.of(format!("{what} table {table}")));
        }
        Ok(Added::Present)
    }

    fn add_missing(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<()> {
        let mut elements = self.encode(entries);
        let added = self.add_elements(table, &mut elements, "cannot add to");
        let is_done = added.is_ok() && !self.has_conflict(&elements);
        // One by one, the entry that pf refuses is known.
        let add = |entry: &Entry| {
            let added = if is_done { Ok(()) } else { self.add(table, *entry).map(drop) };
            (*entry, added)
        };
        entries.iter().map(add).collect()
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError> {
        let what = format!("cannot delete {entry} from");
        let mut element = table::encode(self.abi, entry);
        self.delete_elements(table, &mut element, &what)?;
        Ok(self.deleted(&element))
    }

    fn delete_all(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<Deleted> {
        let mut elements = self.encode(entries);
        let size = self.abi.tables.entry.size;
        if self.delete_elements(table, &mut elements, "cannot delete from").is_err() {
            // pf deleted nothing. One by one, the entry that it refuses is known.
            return entries.iter().map(|entry| (*entry, self.delete(table, *entry))).collect();
        }
        let elements = elements.chunks_exact(size).map(|element| self.deleted(element));
        entries.iter().copied().zip(elements.map(Ok)).collect()
    }

    /// The number of entries, less what we added. Deletions and as many additions
    /// by others do not show.
    fn traces(&mut self, tables: &[Table]) -> Vec<Option<Trace>> {
        let mut counts = BTreeMap::new();
        let mut trace = |table: &Table| {
            let (device, abi) = (&mut self.device, self.abi);
            let anchor = table::anchor(table);
            let of_anchor = counts
                .entry(anchor.to_owned())
                .or_insert_with(|| status::counts(device, abi, anchor).unwrap_or_default());
            let count = *of_anchor.get(table.name.as_bytes())?;
            let ours = self.ours.get(table).copied().unwrap_or(0);
            Some(Trace {
                number: count.wrapping_add_signed(ours.wrapping_neg()),
                is_exact: false,
            })
        };
        tables.iter().map(&mut trace).collect()
    }

    /// pf returns the most specific entry that a host matches. It has no such
    /// request for networks.
    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        if entry != Entry::host(entry.address()) {
            return Ok(self.list(table)?.contains(&entry));
        }
        let what = format!("cannot look up {entry} in");
        let mut element = table::encode(self.abi, entry);
        let asked = (&mut element[..], abi::PFR_FLAG_REPLACE);
        self.ask(|tables| &tables.test, table, asked, &what)?;
        let outcome = self.abi.tables.entry.feedback.get(&element);
        let is_match = outcome == abi::PFR_FB_MATCH.into();
        Ok(is_match && table::decode(self.abi, &element) == Some(entry))
    }

    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, FirewallError> {
        let (abi, layout) = (self.abi, &self.abi.tables);
        let named = table::argument(abi, table)?;
        let listed = status::list(layout.entry.size, |room, buffer| {
            let mut argument = named.clone();
            table::announce(abi, &mut argument, layout.entry.size, room);
            self.device.ioctl(&layout.list, &mut argument, buffer)?;
            Ok(usize::try_from(layout.count.get(&argument)).unwrap_or(usize::MAX))
        });
        let listed = listed.map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL) if !abi.crowded.is_empty() => {
                FirewallError::new(FirewallErrorKind::Unsupported, abi.crowded, Some(error))
                    .of(format!("cannot list table {table}"))
            }
            _ => advice::about_table(abi, "cannot list", table, error),
        })?;
        let entries = listed.chunks_exact(layout.entry.size);
        Ok(entries.filter_map(|entry| table::decode(abi, entry)).collect())
    }

    fn status(&mut self) -> Result<Status, FirewallError> {
        let running = status::is_running(&mut self.device, self.abi)
            .map_err(|error| advice::about_pf(self.abi, "cannot ask whether pf runs", error))?;
        Ok(if running { Status::Enforcing } else { Status::Disabled })
    }

    /// Creates the table with `persist`.
    fn create(&mut self, table: &Table) -> Result<(), FirewallError> {
        let (abi, layout) = (self.abi, &self.abi.tables);
        let mut element = table::definition(abi, table, abi::PFR_TFLAG_PERSIST)?;
        let mut argument = table::empty_argument(abi);
        table::announce(abi, &mut argument, layout.table.size, 1);
        self.device.ioctl(&layout.create, &mut argument, &mut element).map_err(|error| {
            // The new table is not const, so EPERM means the securelevel.
            let what = format!("cannot create table {table}");
            advice::about_pf(abi, &what, error)
        })
    }

    fn kill(&mut self, kill: &Kill) -> Result<u64, FirewallError> {
        let what = format!("cannot kill states of {}", kill.entry);
        let mut killed = 0_u64;
        for wanted in states::matches(kill) {
            killed += states::kill(&mut self.device, self.abi, &wanted)
                .map_err(|error| advice::about_pf(self.abi, &what, error))?;
        }
        Ok(killed)
    }

    fn review(
        &mut self,
        tables: &[Table],
        interfaces: &[String],
    ) -> Result<Vec<Warning>, FirewallError> {
        let abi = self.abi;
        let mut warnings = Vec::new();
        if self.status()? == Status::Disabled {
            warnings.push(Warning::Disabled(abi.enable));
        }
        let mut anchors = BTreeMap::new();
        for table in tables {
            let anchor = table::anchor(table);
            if !anchors.contains_key(anchor) {
                let flags = status::flags(&mut self.device, abi, anchor);
                let flags = flags
                    .map_err(|error| advice::about_table(abi, "cannot review", table, error))?;
                anchors.insert(anchor, flags);
            }
            let flags = anchors.get(anchor).and_then(|of| of.get(table.name.as_bytes()));
            if flags.copied().is_some_and(is_idle) {
                warnings.push(Warning::Unreferenced(table.clone()));
            }
        }
        let Some(layout) = &abi.interfaces else { return Ok(warnings) };
        for name in interfaces {
            let skipped = status::is_skipped(&mut self.device, layout, name);
            let what = format!("cannot ask pf about interface {name}");
            if skipped.map_err(|error| advice::about_pf(abi, &what, error))? {
                warnings.push(Warning::Skipped(name.clone()));
            }
        }
        Ok(warnings)
    }

    fn enable(&mut self) -> Result<u64, FirewallError> {
        let Some(layout) = &self.abi.reference else {
            let advice = format!("cannot enable pf by reference, {}", self.abi.enable);
            return Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None));
        };
        let mut argument = vec![0; layout.start.length()];
        self.device
            .ioctl(&layout.start, &mut argument, &mut [])
            .map_err(|error| advice::about_pf(self.abi, "cannot enable pf", error))?;
        Ok(layout.token.get(&argument))
    }

    fn call_anchor(&mut self) -> Result<(), FirewallError> {
        system::call_anchor()
    }

    fn release(&mut self, reference: u64) -> Result<(), FirewallError> {
        let Some(layout) = &self.abi.reference else { return Ok(()) };
        let mut argument = vec![0; layout.stop.length()];
        layout.released.put(&mut argument, reference);
        match self.device.ioctl(&layout.stop, &mut argument, &mut []) {
            // It was released before, or pf was stopped for all holders.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => {
                Ok(())
            }
            result => result.map_err(|error| {
                advice::about_pf(self.abi, "cannot release the reference to pf", error)
            }),
        }
    }
}

/// Whether a table is defined, but no rule refers to it.
const fn is_idle(flags: u32) -> bool {
    flags & abi::PFR_TFLAG_ACTIVE != 0
        && flags & (abi::PFR_TFLAG_REFERENCED | abi::PFR_TFLAG_REFDANCHOR) == 0
}
