//! Opens and closes doors: leases, the tables of the firewall, and the books of
//! those who must know.
//!
//! The order is the same everywhere. An entry is in the books before it is in
//! its table, and a lease lives only after that; it leaves the table before the
//! books forget it.

mod books;
mod check;
mod close;
mod commands;
mod open;
mod orders;
mod reload;
mod restore;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::core::door::{Door, DoorIndex, OnClose};
use crate::core::lease::{Holder, Lease, LeaseKey, Leases};
use crate::core::policy::Policy;
use crate::core::slot::TableIndex;
use crate::core::time::Monotonic;
use crate::firewall::Firewall;
use crate::keep::leases::{self, Record, State};
use crate::log::Log;
use crate::log::event::{By, Event};
use crate::message::channel::Broken;
use crate::message::runner::Occasion;
use crate::process::tables::Tables;
use commands::Commands;

pub use books::Books;
pub use commands::MAX_COMMANDS;
pub use orders::Whose;

/// How often tables are checked while leases live or something is wrong.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How many leases began, were extended and ended since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Leases that began.
    pub opened: u64,
    /// Leases whose deadline moved.
    pub extended: u64,
    /// Leases that ended.
    pub closed: u64,
}

/// The doors that end connections when they close, by table.
type Killers = BTreeMap<TableIndex, Vec<Door>>;

/// Every lease, and the only way to the firewall.
pub struct Doors {
    leases: Leases,
    tables: Tables,
    killers: Rc<Killers>,
    books: Books,
    commands: Commands,
    counts: Counts,
    /// Those that are captured on.
    interfaces: Vec<String>,
    next_check: Option<Monotonic>,
    log: Log,
}

impl Doors {
    /// Closed doors of `policy` in front of `firewall`.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        firewall: Box<dyn Firewall>,
        books: Books,
        log: Log,
    ) -> Self {
        let mut tables = Tables::new(firewall, log.clone());
        let leases = Leases::new(policy, tables.names_mut());
        Self {
            killers: killers(&leases),
            leases,
            tables,
            books,
            commands: Commands::new(log.clone()),
            counts: Counts::default(),
            interfaces: Vec::new(),
            next_check: None,
            log,
        }
    }

    /// The configuration of the doors.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(self.leases.policy())
    }

    /// The live leases.
    #[must_use]
    pub const fn leases(&self) -> &Leases {
        &self.leases
    }

    /// What happened since the start.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The commands that doors run.
    pub const fn commands(&mut self) -> &mut Commands {
        &mut self.commands
    }

    /// Whether leases are kept in a file.
    #[must_use]
    pub const fn has_lease_file(&self) -> bool {
        self.books.has_file()
    }

    /// All doors with their indices.
    pub fn list(&self) -> impl Iterator<Item = (DoorIndex, &Door)> {
        (0..).map(DoorIndex).zip(&self.leases.policy().doors)
    }

    /// Whether the table of a door could be used when it was checked last.
    #[must_use]
    pub fn is_usable(&self, door: DoorIndex) -> bool {
        let table = self.leases.table_of(door);
        table.is_none_or(|table| !self.tables.unusable().contains(&table))
    }

    /// Whether to create missing tables.
    pub const fn create_tables(&mut self, wanted: bool) {
        self.tables.create_missing(wanted);
    }

    /// Keeps the firewall enabled until [`Self::close_all`], by a reference that
    /// is recorded in the directory `run`.
    ///
    /// # Errors
    /// Why it could not be enabled.
    pub fn enable(&mut self, run: &Path) -> Result<(), String> {
        self.tables.enable(run)
    }

    /// Tells the parent the names of all tables.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn announce_tables(&self) -> Result<(), Broken> {
        self.books.announce(self.tables.names())
    }

    /// Queues the command of a door that opened, or closed after `span`.
    fn run(
        &mut self,
        policy: &Policy,
        occasion: Occasion,
        (key, holder): (LeaseKey, Holder),
        span: Duration,
        now: Monotonic,
    ) {
        if let Some(door) = policy.door(key.door) {
            let user = holder.user().and_then(|index| policy.user(index));
            self.commands.run(door, occasion, key.address, user, span, now);
        }
    }

    /// The name of a door, and who holds its lease, as the log shows them.
    fn names(policy: &Policy, door: DoorIndex, holder: Holder) -> Option<(&str, By<'_>)> {
        let by = match holder {
            Holder::User(index) => {
                policy.user(index).map_or(By::Nobody, |user| By::User(&user.name))
            }
            Holder::Sequence => By::Sequence,
            Holder::Administrator => By::Administrator,
            Holder::Removed => By::Nobody,
        };
        Some((policy.door(door)?.name.as_str(), by))
    }

    /// Logs why the lease file could not be written, once.
    fn report_books(&mut self) {
        if let Some(error) = self.books.take_trouble() {
            self.log.write(&Event::CannotKeepLeases { error: &error });
        }
    }
}

fn killers(leases: &Leases) -> Rc<Killers> {
    let mut killers = Killers::new();
    for (index, door) in (0..).map(DoorIndex).zip(&leases.policy().doors) {
        if door.on_close == OnClose::KillStates
            && let Some(table) = leases.table_of(index)
        {
            killers.entry(table).or_default().push(door.clone());
        }
    }
    Rc::new(killers)
}

/// A lease as it is kept.
fn record(policy: &Policy, key: LeaseKey, lease: &Lease, foreign: bool) -> Record {
    let holder = match lease.holder {
        Holder::User(index) => policy
            .user(index)
            .map_or(leases::Holder::Former, |user| leases::Holder::User(user.id())),
        Holder::Sequence => leases::Holder::Sequence,
        Holder::Administrator => leases::Holder::Administrator,
        Holder::Removed => leases::Holder::Former,
    };
    let Lease { opened, deadline, .. } = *lease;
    Record { state: State::Live, key, holder, opened, deadline, foreign }
}
