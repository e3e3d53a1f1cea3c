//! Acts: replay authority, leases and the firewall.
//!
//! It believes no claim without looking into its own configuration, so that
//! an engine in foreign hands gets no more than the configuration gives.
//!
//! [`Keeper`] does what it is told, by the service, which is told by the engine,
//! by administrators and by the parent.

mod attachments;
mod books;
mod clock;
mod commands;
mod desk;
mod engines;
mod grant;
mod hearing;
mod once;
mod orders;
mod rates;
mod reload;
mod restore;
mod runner;
mod service;
pub mod stats;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::tables::Tables;
use crate::core::address::Entry;
use crate::core::door::{DoorIndex, OnClose, Table};
use crate::core::lease::{Closed, Holder, Lease, LeaseKey, Leases};
use crate::core::policy::Policy;
use crate::core::time::{Monotonic, Now};
use crate::core::token::UserId;
use crate::faults;
use crate::firewall::{Error, Firewall};
use crate::keep::journal::Journal;
use crate::keep::leases::{self, Record, State};
use crate::log::Log;
use crate::log::event::{By, Ending, Event};
use commands::Commands;
use once::{List, Struck};
use rates::Rates;
use stats::Stats;

pub use books::Books;
pub use commands::MAX_COMMANDS;
pub use service::run;

/// How often tables are looked at while leases live or one cannot be used.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Where a claim comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The packet's source.
    pub source: IpAddr,
    /// Which engine met it.
    pub engine: u32,
    /// When the engine read it, as the engine says.
    pub seen: Monotonic,
}

/// What is remembered of a token: which engine brought it, and when.
#[derive(Debug, Clone, Copy)]
pub struct Brought {
    engine: u32,
    at: Monotonic,
}

impl Default for Brought {
    /// By an engine of an earlier run.
    fn default() -> Self {
        Self { engine: u32::MAX, at: Monotonic::default() }
    }
}

/// The packet for several doors that was honoured last, and for which of them
/// so far.
#[derive(Debug)]
struct LastPacket {
    /// Whose it is, what it is remembered by, and which engine read it when.
    packet: (UserId, [u8; 16], u32, Monotonic),
    /// At most [`MAX_CLAIMS`](crate::core::gate::MAX_CLAIMS).
    doors: Vec<DoorIndex>,
}

/// Holds every lease and the only way to the firewall.
pub struct Keeper {
    policy: Arc<Policy>,
    leases: Leases,
    journal: Journal<Brought>,
    last_packet: Option<LastPacket>,
    tables: Tables,
    books: Books,
    commands: Commands,
    rates: Rates,
    stats: Stats,
    /// Those that are captured on.
    interfaces: Vec<String>,
    next_check: Option<Monotonic>,
    /// When to try again to keep the journal.
    next_journal: Option<Monotonic>,
    lists: Vec<List>,
    struck: Vec<Struck>,
    log: Log,
}

impl Keeper {
    /// A keeper without leases; `journal` is what it knows to be honoured,
    /// `books` who else knows of its entries.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        firewall: Box<dyn Firewall>,
        journal: Journal<Brought>,
        books: Books,
        log: Log,
    ) -> Self {
        Self {
            leases: Leases::new(Arc::clone(&policy)),
            rates: Rates::new(&policy),
            policy,
            journal,
            last_packet: None,
            tables: Tables::new(firewall),
            books,
            commands: Commands::default(),
            stats: Stats::default(),
            interfaces: Vec::new(),
            next_check: None,
            next_journal: None,
            lists: Vec::new(),
            struck: Vec::new(),
            log,
        }
    }

    /// Whether tables that are missing are made.
    pub const fn create_tables(&mut self, wanted: bool) {
        self.tables.create_missing(wanted);
    }

    /// Has the filter enabled until [`Self::close_all`], by a reference kept
    /// in the directory `run`.
    ///
    /// # Errors
    /// Why it could not be enabled.
    pub fn enable(&mut self, run: &Path) -> Result<(), String> {
        self.tables.enable(run)
    }

    /// Looks at the firewall for the first time, and says what is wrong there
    /// or makes doors on `interfaces` useless.
    ///
    /// # Errors
    /// When the system does not let us use the firewall at all.
    pub fn survey(&mut self, interfaces: &[String], now: Monotonic) -> Result<(), Error> {
        let mut doors = self.policy.doors.iter();
        let killer = doors.find(|door| door.on_close == OnClose::KillStates);
        self.tables.survey(self.leases.tables(), killer, &mut self.log)?;
        self.watch(interfaces, now);
        Ok(())
    }

    /// Looks at the firewall again, now that `interfaces` are captured on.
    pub fn watch(&mut self, interfaces: &[String], now: Monotonic) {
        self.interfaces = interfaces.to_vec();
        self.check_tables(now);
    }

    /// What decides.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// The log, for what others have to say.
    pub const fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Does all whose time has come.
    pub fn tick(&mut self, now: Monotonic) {
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.expire(now) {
            gone.extend(self.shut(closed, Ending::Expired, now));
        }
        gone.append(&mut self.retry(now));
        self.kill_states(&gone, now);
        if self.leases.is_empty() && !self.tables.is_any_unusable() {
            self.next_check = None;
        }
        if self.next_check.is_some_and(|due| due <= now) {
            self.check_tables(now);
        }
        self.log.tick(now);
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [
            self.leases.next_deadline(),
            self.tables.next_retry(),
            self.next_check,
            self.next_journal,
            self.log.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Closes every door, because the daemon ends. What is left of the leases
    /// stays in the lease file, for one that starts before they end. Returns
    /// how many entries the firewall kept.
    pub fn close_all(&mut self, now: Now) -> usize {
        let end = now;
        let now = end.monotonic;
        self.books.rest();
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.close_any() {
            gone.extend(self.shut(closed, Ending::Stopped, now));
        }
        self.tables.hurry(now);
        gone.append(&mut self.retry(now));
        self.kill_states(&gone, now);
        self.tables.release(&mut self.log);
        // Doors first: this waits for the disk.
        self.finish_journal(end);
        self.log.finish();
        self.tables.left()
    }

    /// Tries again to take out what is stuck; returns what is out at last.
    fn retry(&mut self, now: Monotonic) -> Vec<(Table, Entry)> {
        let gone = self.tables.retry(now, &mut self.log);
        for slot in &gone {
            self.books.gone(slot);
        }
        gone
    }

    /// Takes a lease's entry out of its table, if it was the last to hold it.
    /// Returns the entry if it is out.
    fn shut(
        &mut self,
        closed: Closed,
        ending: Ending,
        now: Monotonic,
    ) -> Option<(Table, Entry)> {
        let Closed { key, lease, entry } = closed;
        let (policy, after) = (self.policy(), now.since(lease.opened));
        // Before the books forget it: after a crash in between it is run again,
        // and not never.
        if entry.is_none() {
            self.run_closed(&policy, key, lease.holder, after, now);
        }
        self.settle(key, entry.as_ref());
        let gone = entry.filter(|slot| {
            faults::point("closing");
            let is_out = self.tables.delete(&slot.0, slot.1, now, &mut self.log);
            faults::point("deleted");
            self.run_closed(&policy, key, lease.holder, after, now);
            if is_out {
                self.books.gone(slot);
            }
            is_out
        });
        self.stats.closed += 1;
        if let Some(door) = policy.door(key.door) {
            let (door, address) = (door.name.as_str(), key.address);
            self.log.say_often(&Event::Closed { door, address, after, ending }, now);
        }
        gone
    }

    /// Writes down that a lease ends, before its entry goes: one that was ended
    /// early is not to come back after a crash.
    fn settle(&mut self, key: LeaseKey, entry: Option<&(Table, Entry)>) {
        let door = self.policy.door(key.door);
        let slot = door.map(|door| (door.table.clone(), door.entry(key.address)));
        match (entry, slot) {
            (_, Some(slot)) if self.books.rests() => {
                self.books.resting(key, &slot);
                if entry.is_none() && !self.leases.is_held(&key) {
                    // Somebody else's: it stays, and nobody tells when it goes.
                    self.books.gone(&slot);
                }
            }
            (Some(slot), _) => self.books.closing(key, slot),
            (None, _) => self.books.free(key),
        }
    }

    /// Ends the connections of addresses that are shut out, through every door
    /// of the table that asks for it. After all entries of a round are out: a
    /// state that ends must not be made anew.
    fn kill_states(&mut self, gone: &[(Table, Entry)], now: Monotonic) {
        self.kill_states_by(&self.policy(), gone, now);
    }

    /// The same by the doors of another policy.
    fn kill_states_by(&mut self, policy: &Policy, gone: &[(Table, Entry)], now: Monotonic) {
        for (table, entry) in gone {
            let doors = policy.doors.iter().filter(|door| door.table == *table);
            for door in doors.filter(|door| door.on_close == OnClose::KillStates) {
                self.tables.kill(door, *entry, now, &mut self.log);
            }
        }
    }

    /// Looks whether the tables still hold what they should, and whether they
    /// are of use. Looks once more later while there is something to lose.
    fn check_tables(&mut self, now: Monotonic) {
        let mut gone = Vec::new();
        for table in self.leases.tables().to_vec() {
            let ours: Vec<_> = self.leases.entries_of(&table).collect();
            for entry in self.tables.check(&table, &ours, &mut self.log) {
                for closed in self.leases.revoke(&table, entry) {
                    gone.extend(self.shut(closed, Ending::Revoked, now));
                }
            }
        }
        self.kill_states(&gone, now);
        self.tables.review(self.leases.tables(), &self.interfaces, &mut self.log);
        let must_look = !self.leases.is_empty() || self.tables.is_any_unusable();
        self.next_check = must_look.then(|| now + CHECK_INTERVAL);
    }
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

fn by(policy: &Policy, holder: Holder) -> By<'_> {
    match holder {
        Holder::User(index) => {
            policy.user(index).map_or(By::Nobody, |user| By::User(&user.name))
        }
        Holder::Sequence => By::Sequence,
        Holder::Administrator => By::Administrator,
        Holder::Removed => By::Nobody,
    }
}
