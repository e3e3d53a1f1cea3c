//! Puts addresses into the kernel's tables and takes them out again.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

use crate::core::address::Entry;
use crate::core::door::Table;
use crate::core::sighting::{Port, Protocol};

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

    /// Whether exactly `entry` stands in `table`, whoever put it there. One
    /// that excludes the address, or a network around it, is another.
    ///
    /// # Errors
    /// Of every [`Kind`].
    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, Error> {
        Ok(self.list(table)?.contains(&entry))
    }

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

    /// Makes `table`, to stay without rules that refer to it. One that is
    /// there already stays as it is.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the system forbids new tables,
    /// [`Kind::Unsupported`] where only its configuration makes them.
    fn create(&mut self, table: &Table) -> Result<(), Error> {
        let advice = format!("cannot create table {table}: this firewall leaves that to you");
        Err(Error::new(Kind::Unsupported, advice, None))
    }

    /// Ends what is under way, which outlives the entry that let it through,
    /// and tells how many connections that were.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the system forbids it, [`Kind::Unsupported`]
    /// where it cannot.
    fn kill(&mut self, kill: &Kill) -> Result<u64, Error> {
        let advice = format!(
            "cannot kill states of {}, this firewall has no means: set `on_close: KeepStates`",
            kill.entry
        );
        Err(Error::new(Kind::Unsupported, advice, None))
    }

    /// What in the firewall's set-up makes `tables` or the rules on
    /// `interfaces` useless.
    ///
    /// # Errors
    /// [`Kind::Denied`] or [`Kind::System`] when it cannot be asked.
    fn review(
        &mut self,
        tables: &[Table],
        interfaces: &[String],
    ) -> Result<Vec<Warning>, Error> {
        let _ = (tables, interfaces);
        Ok(match self.status()? {
            Status::Enforcing => Vec::new(),
            Status::Disabled => vec![Warning::Disabled("load its rules")],
        })
    }

    /// Has the filter filter, as long as the token returned is not released;
    /// others may hold tokens of their own. The token outlives the process.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where enabling is the administrator's alone.
    fn enable(&mut self) -> Result<u64, Error> {
        let advice = "this firewall is enabled by its own configuration";
        Err(Error::new(Kind::Unsupported, advice, None))
    }

    /// Gives back a token. One that nobody knows any more is no error.
    ///
    /// # Errors
    /// [`Kind::Denied`] or [`Kind::System`].
    fn release(&mut self, token: u64) -> Result<(), Error> {
        let _ = token;
        Ok(())
    }
}

/// Which connections to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// Whose: of a host, or of a network that an entry let in as a whole.
    pub entry: Entry,
    /// To which ports; empty for all, and then also those that others opened
    /// to the address.
    pub ports: Vec<Port>,
    /// In which routing domain, on OpenBSD; 0 unless configured.
    pub rdomain: u16,
}

impl Kill {
    /// Matches nothing, to learn whether the system lets us kill at all: no
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

/// What is in the way although every call succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The filter is off; what to do.
    Disabled(&'static str),
    /// No rule refers to the table.
    Unreferenced(Table),
    /// The filter lets every packet of the interface pass.
    Skipped(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled(todo) => {
                write!(f, "the firewall is disabled, every door stands open: {todo}")
            }
            Self::Unreferenced(table) => write!(
                f,
                "no rule refers to table {table}, its doors open nothing: add a rule that does"
            ),
            Self::Skipped(interface) => write!(
                f,
                "the firewall skips interface {interface}, its doors stand open there: drop it \
                 from `set skip on`"
            ),
        }
    }
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

/// Whether this system has the chosen firewall, and can keep it enabled by
/// reference if that is asked.
///
/// # Errors
/// [`Kind::Unsupported`].
pub fn check(choice: &Choice, by_reference: bool) -> Result<(), Error> {
    let advice = match choice {
        Choice::Pf if !HAS_PF => "this system has no pf: configure another firewall",
        Choice::Nft { .. } if !cfg!(target_os = "linux") => {
            "nftables is Linux's, write firewall: Pf"
        }
        _ if by_reference && !cfg!(target_os = "macos") => {
            "only macOS counts references to pf, remove enable_pf"
        }
        _ => return Ok(()),
    };
    Err(Error::new(Kind::Unsupported, advice, None))
}

/// Whether the system has pf.
const HAS_PF: bool =
    cfg!(any(target_os = "freebsd", target_os = "openbsd", target_os = "macos"));

/// Opens the chosen firewall.
///
/// # Errors
/// [`Kind::Unsupported`] where the system has no such firewall, else what the
/// system says.
pub fn open(choice: &Choice) -> Result<Box<dyn Firewall>, Error> {
    match choice {
        Choice::Pf => pf::open(),
        #[cfg(target_os = "linux")]
        Choice::Nft { table } => Ok(Box::new(nft::Nft::open(table)?)),
        #[cfg(not(target_os = "linux"))]
        Choice::Nft { .. } => {
            Err(Error::new(Kind::Unsupported, "nftables is Linux's, write firewall: Pf", None))
        }
        Choice::Memory => Ok(Box::<memory::Memory>::default()),
    }
}
