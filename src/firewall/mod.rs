//! Puts addresses into the kernel's tables and takes them out again.

use std::fmt;
use std::io;

use crate::core::address::Entry;
use crate::core::door::Table;

pub mod memory;
#[cfg(target_os = "linux")]
pub mod nft;
pub mod pf;

/// A packet filter with tables of addresses.
///
/// A call is done when the kernel has answered; nothing is cached here.
pub trait Firewall {
    /// Whether `table` is there and takes addresses of both families.
    ///
    /// # Errors
    /// [`Kind::Missing`] when it is not, with the line that makes it.
    fn probe(&mut self, table: &Table) -> Result<(), Error>;

    /// Puts `entry` into `table`.
    ///
    /// # Errors
    /// Of every [`Kind`].
    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, Error>;

    /// Takes exactly `entry` out of `table`.
    ///
    /// # Errors
    /// Of every [`Kind`]; that it was not there is no error.
    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, Error>;

    /// Everything that stands in `table`, in no order.
    ///
    /// # Errors
    /// Of every [`Kind`].
    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, Error>;

    /// Whether the filter filters at all.
    ///
    /// # Errors
    /// [`Kind::Denied`] or [`Kind::System`] when it cannot be asked.
    fn status(&mut self) -> Result<Status, Error>;
}

/// What adding did.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It was not there before.
    Added,
    /// It was there already: somebody else's.
    Present,
}

/// What deleting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was there.
    Deleted,
    /// It was not: somebody else took it out.
    Absent,
}

/// Whether the filter filters.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Packets are filtered.
    Enforcing,
    /// The tables take addresses, but no packet is filtered by them.
    Disabled,
}

/// What kind of failure it is, for who must act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The table is not there, or not yet.
    Missing,
    /// No room for another entry.
    Full,
    /// The system does not let us.
    Denied,
    /// This system or table cannot do it.
    Unsupported,
    /// The kernel was asked, and its answer is lost: it may have done it.
    Unanswered,
    /// Anything else.
    System,
}

/// Why the firewall did not do it, and what to do about it.
#[derive(Debug)]
pub struct Error {
    /// For who must act on it.
    pub kind: Kind,
    advice: String,
    source: Option<io::Error>,
}

impl Error {
    /// An error whose text says what is wrong and what to do; the system's
    /// own word, where there is one, comes last.
    #[must_use]
    pub fn new(kind: Kind, advice: impl Into<String>, source: Option<io::Error>) -> Self {
        Self { kind, advice: advice.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) if self.advice.is_empty() => write!(f, "{source}"),
            Some(source) => write!(f, "{}: {source}", self.advice),
            None => f.write_str(&self.advice),
        }
    }
}

impl std::error::Error for Error {}

/// Which firewall holds the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// pf, of OpenBSD, FreeBSD and macOS.
    Pf,
    /// nftables: the sets of this table of family inet.
    Nft {
        /// The table's name.
        table: String,
    },
    /// None: tables in our own memory.
    Memory,
}

/// Opens the chosen firewall.
///
/// # Errors
/// [`Kind::Unsupported`] where the system has no such firewall, else what the
/// system says.
pub fn open(choice: &Choice) -> Result<Box<dyn Firewall>, Error> {
    match choice {
        Choice::Pf => {
            Err(Error::new(Kind::Unsupported, "pf is not supported on this system yet", None))
        }
        #[cfg(target_os = "linux")]
        Choice::Nft { table } => Ok(Box::new(nft::Nft::open(table)?)),
        #[cfg(not(target_os = "linux"))]
        Choice::Nft { .. } => {
            Err(Error::new(Kind::Unsupported, "nftables is Linux's, write firewall: Pf", None))
        }
        Choice::Memory => Ok(Box::<memory::Memory>::default()),
    }
}
