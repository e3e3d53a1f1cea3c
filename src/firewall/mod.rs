//! Adds addresses to the kernel's tables and deletes them.

use std::fmt;
use std::net::Ipv4Addr;

use crate::core::address::{Entry, Family};
use crate::core::door::Table;
use crate::core::sighting::{Port, Protocol};

pub mod backend;
mod choice;
mod dialect;
mod error;
mod guarded;
pub mod memory;
pub mod nft;
pub mod pf;
mod rows;

pub use backend::Backend;
pub use choice::Choice;
pub use dialect::{Dialect, Pass};
pub use error::{FirewallError, FirewallErrorKind};
pub use guarded::{Guarded, Machine};
pub use rows::NATIVE;

/// The most entries that are added or deleted by one request. Longer requests
/// would keep grants waiting, and pf's lock from packets.
pub const BATCH: usize = 256;

/// What became of each entry of a request, in no order.
pub type Outcomes<T> = Vec<(Entry, Result<T, FirewallError>)>;

/// A packet filter with tables of addresses.
///
/// A call returns after the kernel has answered. The answer is not cached.
pub trait Firewall {
    /// Checks that `table` exists and takes addresses of both families.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Missing`] when it does not exist, with the line that creates it.
    fn probe(&mut self, table: &Table) -> Result<(), FirewallError>;

    /// Whether a table may hold a network and a part of it.
    fn nests_networks(&self) -> bool {
        true
    }

    /// Checks that `table` takes networks of `family`.
    ///
    /// # Errors
    /// As [`Self::probe`]; [`FirewallErrorKind::Unsupported`] when it takes hosts
    /// only.
    fn takes_networks(&mut self, table: &Table, family: Family) -> Result<(), FirewallError> {
        let _ = (table, family);
        Ok(())
    }

    /// Checks that `table` can be used, with networks of `families`.
    ///
    /// # Errors
    /// As [`Self::probe`] and [`Self::takes_networks`].
    fn check(&mut self, table: &Table, families: &[Family]) -> Result<(), FirewallError> {
        for family in families {
            self.takes_networks(table, *family)?;
        }
        self.probe(table)
    }

    /// Adds `entry` to `table`.
    ///
    /// # Errors
    /// Of every [`FirewallErrorKind`].
    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError>;

    /// Deletes exactly `entry` from `table`. An entry that is not there is no
    /// error.
    ///
    /// # Errors
    /// Of every [`FirewallErrorKind`].
    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError>;

    /// Adds those of `entries` that are not in `table`, by one request if it can.
    fn add_missing(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<()> {
        entries.iter().map(|entry| (*entry, self.add(table, *entry).map(drop))).collect()
    }

    /// Deletes `entries` from `table`, by one request if it can.
    fn delete_all(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<Deleted> {
        entries.iter().map(|entry| (*entry, self.delete(table, *entry))).collect()
    }

    /// What shows changes of `tables` by others, one value for each. `None` where
    /// only a list of all entries would show one.
    fn traces(&mut self, tables: &[Table]) -> Vec<Option<Trace>> {
        vec![None; tables.len()]
    }

    /// Whether exactly `entry` is in `table`, whoever added it. An entry that
    /// excludes the address, or a network around it, does not count.
    ///
    /// # Errors
    /// Of every [`FirewallErrorKind`].
    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        Ok(self.list(table)?.contains(&entry))
    }

    /// All entries of `table`, in no order.
    ///
    /// # Errors
    /// Of every [`FirewallErrorKind`].
    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, FirewallError>;

    /// Whether packets are filtered.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Denied`] or [`FirewallErrorKind::System`] when the system does not answer.
    fn status(&mut self) -> Result<Status, FirewallError>;

    /// Creates `table`, which then exists even without rules that refer to it. A
    /// table that exists is not changed.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Denied`] when the system forbids new tables,
    /// [`FirewallErrorKind::Unsupported`] when only its configuration creates them.
    fn create(&mut self, table: &Table) -> Result<(), FirewallError> {
        let advice = format!("this firewall creates no tables, create table {table} by hand");
        Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
    }

    /// Ends connections, which outlive the entry that passed them. Returns how
    /// many.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Denied`] when the system forbids it, [`FirewallErrorKind::Unsupported`] when
    /// the firewall cannot.
    fn kill(&mut self, kill: &Kill) -> Result<u64, FirewallError> {
        let advice = format!(
            "this firewall cannot kill states of {}, set `on_close: KeepStates`",
            kill.entry
        );
        Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
    }

    /// Finds settings of the firewall that make `tables` or the rules on
    /// `interfaces` useless.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Denied`] or [`FirewallErrorKind::System`] when the system does not answer.
    fn review(
        &mut self,
        tables: &[Table],
        interfaces: &[String],
    ) -> Result<Vec<Warning>, FirewallError> {
        let _ = (tables, interfaces);
        Ok(match self.status()? {
            Status::Enforcing => Vec::new(),
            Status::Disabled => vec![Warning::Disabled("load its rules")],
        })
    }

    /// Enables the filter until the returned reference is released. Other programs
    /// may hold references too. A reference outlives the process.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Unsupported`] when only the administrator enables the filter.
    fn enable(&mut self) -> Result<u64, FirewallError> {
        let advice = "this firewall is enabled by its own configuration";
        Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
    }

    /// Has the main ruleset call knockd's anchor, where that ruleset belongs to
    /// the system.
    ///
    /// # Errors
    /// [`FirewallErrorKind::System`].
    fn call_anchor(&mut self) -> Result<(), FirewallError> {
        Ok(())
    }

    /// Releases a reference. An unknown one is no error.
    ///
    /// # Errors
    /// [`FirewallErrorKind::Denied`] or [`FirewallErrorKind::System`].
    fn release(&mut self, reference: u64) -> Result<(), FirewallError> {
        let _ = reference;
        Ok(())
    }
}

/// Which connections to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// The host or network that they come from.
    pub entry: Entry,
    /// The ports that they go to. Empty means all ports, and also connections
    /// that others opened to the host or network.
    pub ports: Vec<Port>,
    /// Their routing domain, on OpenBSD; 0 unless configured.
    pub rdomain: u16,
}

impl Kill {
    /// Matches no connection, to test whether the system lets us kill states: no
    /// connection comes from the limited broadcast address.
    #[must_use]
    pub fn nothing() -> Self {
        let discard = Port { protocol: Protocol::Tcp, number: 9 };
        Self {
            entry: Entry::host(Ipv4Addr::BROADCAST.into()),
            ports: vec![discard],
            rdomain: 0,
        }
    }
}

/// Why doors have no effect although every call succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The filter is disabled; what to do.
    Disabled(&'static str),
    /// No packet meets the tables or the rules that refer to them.
    Idle {
        /// The reason, as a clause.
        why: String,
        /// What to do.
        todo: &'static str,
    },
    /// No rule refers to the table.
    Unreferenced(Table),
    /// The filter passes every packet of the interface.
    Skipped(String),
}

impl Warning {
    /// The line when it is over.
    #[must_use]
    pub fn over(&self) -> String {
        match self {
            Self::Disabled(_) => "the firewall is enabled again".to_owned(),
            Self::Idle { .. } => "packets meet the rules of doors again".to_owned(),
            Self::Unreferenced(table) => format!("a rule refers to table {table} again"),
            Self::Skipped(interface) => {
                format!("the firewall does not skip interface {interface} any more")
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled(todo) => {
                write!(f, "the firewall is disabled, every door is open: {todo}")
            }
            Self::Idle { why, todo } => {
                write!(f, "{why}, so doors open and block nothing: {todo}")
            }
            Self::Unreferenced(table) => write!(
                f,
                "no rule refers to table {table}, its doors open nothing: add a rule that does"
            ),
            Self::Skipped(interface) => write!(
                f,
                "the firewall skips interface {interface}, every door is open there: drop it \
                 from `set skip on`"
            ),
        }
    }
}

/// The result of an addition.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The entry is new.
    Added,
    /// The entry was there before.
    Present,
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The entry was there and is deleted.
    Deleted,
    /// The entry was not there.
    Absent,
}

/// A number that changes when others change a table. Requests by the same value of
/// [`Firewall`] do not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The number.
    pub number: u64,
    /// Whether every change by others changes it. Otherwise two of them may cancel
    /// each other out.
    pub is_exact: bool,
}

/// Whether packets are filtered.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Packets are filtered.
    Enforcing,
    /// The tables take addresses, but no packet is filtered by them.
    Disabled,
}
