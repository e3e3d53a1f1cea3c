//! Acts: replay authority, leases and the firewall.
//!
//! It believes no claim without looking into its own configuration, so that
//! an engine in foreign hands gets no more than the configuration gives.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::tables::Tables;
use crate::core::address::{self, Entry};
use crate::core::door::{Door, OnClose, Table};
use crate::core::gate::{Claim, Refusal};
use crate::core::lease::{Admission, Closed, Holder, LeaseKey, Leases};
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::replay::Replay;
use crate::core::time::{Monotonic, Now, Wall};
use crate::core::user::UserIndex;
use crate::firewall::{Added, Error, Firewall};
use crate::log::Log;
use crate::log::event::{By, Ending, Event};

/// How often tables are looked at while leases live or one cannot be used.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Holds every lease and the only way to the firewall.
pub struct Keeper {
    policy: Arc<Policy>,
    leases: Leases,
    replay: Replay<()>,
    tables: Tables,
    /// Those that are captured on.
    interfaces: Vec<String>,
    next_check: Option<Monotonic>,
    log: Log,
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
            replay,
            tables: Tables::new(firewall),
            interfaces: Vec::new(),
            next_check: None,
            log,
        }
    }

    /// Has tables that are missing made.
    pub const fn create_tables(&mut self) {
        self.tables.create_missing();
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

    /// The log, for what others have to say.
    pub const fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Does what `claim` asks, if the configuration allows it. `source` is
    /// where the packet came from.
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
        self.log.refuse(source, refusal, name, now);
    }

    fn try_open(&mut self, claim: &Claim, now: Now) -> Result<(), Reason> {
        let policy = Arc::clone(&self.policy);
        let door = permitted(&policy, claim, now.wall)?;
        let key = LeaseKey { door: claim.door, address: claim.address };
        if let (Some(user), Some(token)) = (claim.user, claim.replay) {
            self.replay.record(user, token, (), now)?;
        }
        let holder = claim.user.map_or(Holder::Sequence, Holder::User);
        let admission = self.leases.admit(key, holder)?;
        let now = now.monotonic;
        let entry = Entry::host(claim.address);
        let is_held = admission != Admission::AddEntry;
        // Whether it succeeds or finds the table missing: there is something
        // to look after from now on.
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
        let added = self.tables.add(&door.table, entry, is_held, now, &mut self.log)?;
        let span = door.lifetime(claim.lifetime);
        let before = self.leases.get(&key).map(|lease| lease.deadline);
        let deadline = self.leases.commit(key, holder, span, now, added == Added::Present);
        if before == Some(deadline) {
            return Ok(());
        }
        let (door, address) = (door.name.as_str(), claim.address);
        let by = by(&policy, claim.user);
        let event = match admission {
            Admission::Extends => Event::Extended { door, address, by, span },
            _ => Event::Opened { door, address, by, span },
        };
        self.log.say_often(&event, now);
        Ok(())
    }

    /// Who was entitled, and is shut out all the same, is named.
    fn say_not_opened(&mut self, claim: &Claim, reason: Reason, now: Monotonic) {
        if let Some(door) = self.policy.door(claim.door) {
            let (door, address) = (door.name.as_str(), claim.address);
            let by = by(&self.policy, claim.user);
            self.log.say_often(&Event::NotOpened { door, address, by, reason }, now);
        }
    }

    /// Does all whose time has come.
    pub fn tick(&mut self, now: Monotonic) {
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.expire(now) {
            gone.extend(self.shut(closed, Ending::Expired, now));
        }
        gone.append(&mut self.tables.retry(now, &mut self.log));
        self.kill_states(&gone, now);
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
            self.log.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Closes every door. Returns how many entries the firewall kept.
    pub fn close_all(&mut self, now: Monotonic) -> usize {
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.close_any() {
            gone.extend(self.shut(closed, Ending::Stopped, now));
        }
        self.tables.hurry(now);
        gone.append(&mut self.tables.retry(now, &mut self.log));
        self.kill_states(&gone, now);
        self.tables.release(&mut self.log);
        self.log.finish();
        self.tables.left()
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
        let gone = entry
            .filter(|(table, entry)| self.tables.delete(table, *entry, now, &mut self.log));
        if let Some(door) = self.policy.door(key.door) {
            let after = now.since(lease.opened);
            let (door, address) = (door.name.as_str(), key.address);
            self.log.say_often(&Event::Closed { door, address, after, ending }, now);
        }
        gone
    }

    /// Ends the connections of addresses that are shut out, through every door
    /// of the table that asks for it. After all entries of a round are out: a
    /// state that ends must not be made anew.
    fn kill_states(&mut self, gone: &[(Table, Entry)], now: Monotonic) {
        for (table, entry) in gone {
            let doors = self.policy.doors.iter().filter(|door| door.table == *table);
            for door in doors.filter(|door| door.on_close == OnClose::KillStates) {
                self.tables.kill(door, entry.address(), now, &mut self.log);
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
