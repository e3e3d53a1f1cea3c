//! Acts: replay authority, leases and the firewall.
//!
//! It believes no claim without looking into its own configuration, so that
//! an engine in foreign hands gets no more than the configuration gives.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::reference::Reference;
use crate::core::address::{self, Entry};
use crate::core::door::{Door, OnClose, Table};
use crate::core::gate::{Claim, Refusal};
use crate::core::lease::{Admission, Closed, LeaseKey, Leases};
use crate::core::policy::Policy;
use crate::core::rate::Rate;
use crate::core::reason::Reason;
use crate::core::replay::Replay;
use crate::core::time::{Monotonic, Now, Wall};
use crate::core::user::UserIndex;
use crate::firewall::{Added, Error, Firewall, Kill, Kind};
use crate::log::Log;
use crate::log::event::{By, Ending, Event};
use crate::log::summary::Summary;

/// How often tables are looked at while leases live or one cannot be used.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How soon a deletion that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Lines about doors: so many at once, and one more each
/// [`LINE_INTERVAL`].
pub const LINE_BURST: u32 = 200;
/// See [`LINE_BURST`].
pub const LINE_INTERVAL: Duration = Duration::from_millis(100);

/// Holds every lease and the only way to the firewall.
pub struct Keeper {
    policy: Arc<Policy>,
    firewall: Box<dyn Firewall>,
    leases: Leases,
    replay: Replay<()>,
    /// Tables that could not be used when last looked at.
    unusable: Vec<Table>,
    next_check: Option<Monotonic>,
    creates_tables: bool,
    reference: Option<Reference>,
    /// Entries that should be gone and are not, and when to try again.
    stuck: BTreeMap<(Table, Entry), Monotonic>,
    log: Log,
    summary: Summary,
    lines: Rate,
}

impl Keeper {
    /// A keeper without leases; `replay` is what it knows to be honoured.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        firewall: Box<dyn Firewall>,
        replay: Replay<()>,
        log: Log,
    ) -> Self {
        Self {
            leases: Leases::new(Arc::clone(&policy)),
            policy,
            firewall,
            replay,
            unusable: Vec::new(),
            next_check: None,
            creates_tables: false,
            reference: None,
            stuck: BTreeMap::new(),
            log,
            summary: Summary::default(),
            lines: Rate::new(LINE_BURST, LINE_INTERVAL),
        }
    }

    /// Has tables that are missing made.
    pub const fn create_tables(&mut self) {
        self.creates_tables = true;
    }

    /// Has the filter enabled until [`Self::close_all`], by a reference kept
    /// in the directory `run`.
    ///
    /// # Errors
    /// Why it could not be enabled.
    pub fn enable(&mut self, run: &Path) -> Result<(), String> {
        self.reference = Some(Reference::take(self.firewall.as_mut(), run)?);
        Ok(())
    }

    /// Looks at the firewall for the first time, and says what is wrong there
    /// or makes doors on `interfaces` useless.
    ///
    /// # Errors
    /// When the system does not let us use the firewall at all.
    pub fn survey(&mut self, interfaces: &[String], now: Monotonic) -> Result<(), Error> {
        for table in self.leases.tables() {
            match self.firewall.probe(table) {
                Err(error) if error.kind == Kind::Denied => return Err(error),
                _ => {}
            }
        }
        self.check_tables(now);
        match self.firewall.review(self.leases.tables(), interfaces) {
            Ok(warnings) => {
                for warning in warnings {
                    self.log.say(&Event::Useless { warning: &warning });
                }
            }
            Err(error) => self.log.say(&Event::CannotReview { error: &error }),
        }
        let policy = Arc::clone(&self.policy);
        let killer = policy.doors.iter().find(|door| door.on_close == OnClose::KillStates);
        if let Some(door) = killer
            && let Err(error) = self.firewall.kill(&Kill::nothing())
        {
            self.log.say(&Event::CannotKill { door: &door.name, error: &error });
        }
        Ok(())
    }

    /// The log, for what others have to say.
    pub const fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Does what `claim` asks, if the configuration allows it.
    pub fn open(&mut self, claim: &Claim, source: IpAddr, now: Now) {
        match self.try_open(claim, now) {
            Ok(()) => {}
            Err(reason @ (Reason::Full | Reason::Failed)) => {
                self.say_not_opened(claim, reason, now.monotonic);
            }
            Err(reason) => {
                let refusal = Refusal { reason, user: claim.user, offset: None };
                self.refuse(source, refusal, now.monotonic);
            }
        }
    }

    /// Says that a packet was refused, as often as the log may grow.
    pub fn refuse(&mut self, source: IpAddr, refusal: Refusal, now: Monotonic) {
        let user = refusal.user.and_then(|index| self.policy.user(index));
        let name = user.map(|user| user.name.as_str());
        self.summary.note(source, refusal, name, now, &mut self.log);
    }

    /// Says that packets were lost before anyone saw them, once a minute.
    pub fn lost_packets(&mut self, packets: u64, now: Monotonic) {
        self.summary.note_dropped(packets, now);
    }

    fn try_open(&mut self, claim: &Claim, now: Now) -> Result<(), Reason> {
        let policy = Arc::clone(&self.policy);
        let door = permitted(&policy, claim, now.wall)?;
        let key = LeaseKey { door: claim.door, address: claim.address };
        if let (Some(user), Some(token)) = (claim.user, claim.replay) {
            self.replay.record(user, token, (), now)?;
        }
        let admission = self.leases.admit(key, claim.user)?;
        let foreign = match admission {
            Admission::AddEntry => {
                self.add(&door.table, Entry::host(claim.address), now.monotonic)?
            }
            Admission::SharesEntry | Admission::Extends => false,
        };
        let span = door.lifetime(claim.lifetime);
        let before = self.leases.get(&key).map(|lease| lease.deadline);
        let deadline = self.leases.commit(key, claim.user, span, now.monotonic, foreign);
        self.next_check.get_or_insert(now.monotonic + CHECK_INTERVAL);
        if before == Some(deadline) || !self.may_say(now.monotonic) {
            return Ok(());
        }
        let (door, address) = (door.name.as_str(), claim.address);
        let by = by(&policy, claim.user);
        self.log.say(&match admission {
            Admission::Extends => Event::Extended { door, address, by, span },
            _ => Event::Opened { door, address, by, span },
        });
        Ok(())
    }

    /// Who was entitled, and is shut out all the same, is named.
    fn say_not_opened(&mut self, claim: &Claim, reason: Reason, now: Monotonic) {
        let policy = Arc::clone(&self.policy);
        if let Some(door) = policy.door(claim.door)
            && self.may_say(now)
        {
            let (door, address) = (door.name.as_str(), claim.address);
            let by = by(&policy, claim.user);
            self.log.say(&Event::NotOpened { door, address, by, reason });
        }
    }

    /// Puts an entry into the kernel; says whether it was there before us.
    fn add(&mut self, table: &Table, entry: Entry, now: Monotonic) -> Result<bool, Reason> {
        let ours = self.stuck.remove(&(table.clone(), entry)).is_some();
        match self.firewall.add(table, entry) {
            Ok(Added::Added) => Ok(false),
            Ok(Added::Present) if ours => Ok(false),
            Ok(Added::Present) => {
                if self.may_say(now) {
                    self.log.say(&Event::Foreign { entry, table });
                }
                Ok(true)
            }
            Err(error) => {
                self.say_cannot_add(table, entry, &error, now);
                if error.kind == Kind::Unanswered {
                    // It may stand there, and nobody would hold it.
                    self.stuck.insert((table.clone(), entry), now);
                }
                Err(if error.kind == Kind::Full { Reason::Full } else { Reason::Failed })
            }
        }
    }

    /// A table that cannot be used is said once, not with every entry.
    fn say_cannot_add(&mut self, table: &Table, entry: Entry, error: &Error, now: Monotonic) {
        if error.kind != Kind::Missing {
            if self.may_say(now) {
                self.log.say(&Event::CannotAdd { entry, table, error });
            }
        } else if !self.unusable.contains(table) {
            self.log.say(&Event::TableUnusable { table, error });
            self.unusable.push(table.clone());
        }
    }

    /// Does all whose time has come.
    pub fn tick(&mut self, now: Monotonic) {
        let mut closed = Vec::new();
        while let Some(one) = self.leases.expire(now) {
            self.shut(&one, Ending::Expired, now);
            closed.push(one);
        }
        self.kill_states(&closed, now);
        self.retry_stuck(now);
        if self.next_check.is_some_and(|due| due <= now) {
            self.check_tables(now);
        }
        self.summary.tick(now, &mut self.log);
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let retry = self.stuck.values().min().copied();
        [self.leases.next_deadline(), retry, self.next_check, self.summary.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes every door. Returns how many entries the firewall kept.
    pub fn close_all(&mut self, now: Monotonic) -> usize {
        let mut closed = Vec::new();
        while let Some(one) = self.leases.close_any() {
            self.shut(&one, Ending::Stopped, now);
            closed.push(one);
        }
        self.kill_states(&closed, now);
        for due in self.stuck.values_mut() {
            *due = now;
        }
        self.retry_stuck(now);
        if let Some(reference) = self.reference.take()
            && let Err(error) = reference.give_back(self.firewall.as_mut())
        {
            self.log.say(&Event::CannotRelease { error: &error });
        }
        self.stuck.len()
    }

    fn shut(&mut self, closed: &Closed, ending: Ending, now: Monotonic) {
        if let Some((table, entry)) = &closed.entry {
            self.delete(table.clone(), *entry, now);
        }
        let policy = Arc::clone(&self.policy);
        if let Some(door) = policy.door(closed.key.door)
            && self.may_say(now)
        {
            let after = now.since(closed.lease.opened);
            let (door, address) = (door.name.as_str(), closed.key.address);
            self.log.say(&Event::Closed { door, address, after, ending });
        }
    }

    /// Ends the connections of addresses that are shut out now, after all
    /// entries are gone: a state that ends must not be made anew. An address
    /// that another door holds in the table keeps its connections.
    fn kill_states(&mut self, closed: &[Closed], now: Monotonic) {
        let policy = Arc::clone(&self.policy);
        for Closed { key, .. } in closed.iter().filter(|closed| closed.entry.is_some()) {
            let Some(door) = policy.door(key.door) else { continue };
            if door.on_close == OnClose::KeepStates {
                continue;
            }
            let kill =
                Kill { address: key.address, ports: door.ports.clone(), rdomain: door.rdomain };
            let killed = self.firewall.kill(&kill);
            if !self.may_say(now) {
                continue;
            }
            let (door, address) = (door.name.as_str(), key.address);
            match killed {
                Ok(0) => {}
                Ok(states) => self.log.say(&Event::Killed { door, address, states }),
                Err(error) => self.log.say(&Event::CannotKill { door, error: &error }),
            }
        }
    }

    /// Takes an entry out of the kernel. A missing table holds no entry; any
    /// other failure is tried again until it succeeds, and said once.
    fn delete(&mut self, table: Table, entry: Entry, now: Monotonic) {
        let slot = (table, entry);
        match self.firewall.delete(&slot.0, entry) {
            Ok(_) => {
                self.stuck.remove(&slot);
            }
            Err(error) if error.kind == Kind::Missing => {
                self.stuck.remove(&slot);
            }
            Err(error) => {
                if !self.stuck.contains_key(&slot) {
                    self.log.say(&Event::CannotDelete { entry, table: &slot.0, error: &error });
                }
                self.stuck.insert(slot, now + RETRY_INTERVAL);
            }
        }
    }

    fn retry_stuck(&mut self, now: Monotonic) {
        let due: Vec<_> = self
            .stuck
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(slot, _)| slot.clone())
            .collect();
        for (table, entry) in due {
            self.delete(table, entry, now);
        }
    }

    /// Says which tables went and which came back; those get their entries
    /// again. Looks once more later while there is something to lose.
    fn check_tables(&mut self, now: Monotonic) {
        for table in self.leases.tables().to_vec() {
            let was_usable = !self.unusable.contains(&table);
            match self.probe_or_create(&table) {
                Ok(()) if was_usable => {}
                Ok(()) => {
                    self.unusable.retain(|other| *other != table);
                    self.restore(&table);
                }
                Err(error) if was_usable => {
                    self.log.say(&Event::TableUnusable { table: &table, error: &error });
                    self.unusable.push(table);
                }
                Err(_) => {}
            }
        }
        let must_look = !self.leases.is_empty() || !self.unusable.is_empty();
        self.next_check = must_look.then(|| now + CHECK_INTERVAL);
    }

    fn probe_or_create(&mut self, table: &Table) -> Result<(), Error> {
        match self.firewall.probe(table) {
            Err(error) if error.kind == Kind::Missing && self.creates_tables => {
                self.firewall.create(table)?;
                self.log.say(&Event::TableCreated { table });
                // Who emptied it may have had live leases in it.
                if self.leases.entries_of(table).next().is_some() {
                    self.restore(table);
                }
                Ok(())
            }
            probed => probed,
        }
    }

    fn restore(&mut self, table: &Table) {
        let entries: Vec<_> = self.leases.entries_of(table).collect();
        let mut restored = 0;
        for entry in entries {
            match self.firewall.add(table, entry) {
                Ok(_) => restored += 1,
                Err(error) => self.log.say(&Event::CannotAdd { entry, table, error: &error }),
            }
        }
        self.log.say(&Event::TableBack { table, restored });
    }

    /// Whether one more line about doors may be said.
    fn may_say(&mut self, now: Monotonic) -> bool {
        let fits = self.lines.admit(now);
        if !fits {
            self.summary.note_unsaid(now);
        }
        fits
    }
}

/// The claim's door, if the claim is within the rights of its user.
fn permitted<'a>(policy: &'a Policy, claim: &Claim, wall: Wall) -> Result<&'a Door, Reason> {
    let door = policy.door(claim.door).ok_or(Reason::Forbidden)?;
    if address::host(claim.address, policy.loopback) != Some(claim.address) {
        return Err(Reason::Address);
    }
    match claim.user {
        Some(index) => {
            let user = policy.user(index).ok_or(Reason::Unknown)?;
            if !user.is_valid_at(wall) {
                return Err(Reason::Expired);
            }
            // A user's claim without a token could be made any number of times.
            if !user.may_open(claim.door) || claim.replay.is_none() {
                return Err(Reason::Forbidden);
            }
        }
        None => {
            let mut sequences = policy.sequences.iter();
            let is_behind_one = sequences.any(|sequence| sequence.doors.contains(&claim.door));
            if !is_behind_one || claim.lifetime.is_some() {
                return Err(Reason::Forbidden);
            }
        }
    }
    Ok(door)
}

fn by(policy: &Policy, user: Option<UserIndex>) -> By<'_> {
    user.and_then(|index| policy.user(index)).map_or(By::Sequence, |user| By::User(&user.name))
}
