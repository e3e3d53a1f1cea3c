//! From a claim to an open door: doubted, written down, and only then done.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Brought, CHECK_INTERVAL, Keeper, LastPacket, Origin, by, record};
use crate::core::address::Entry;
use crate::core::claim::Claim;
use crate::core::door::{DoorIndex, Table};
use crate::core::gate::{MAX_CLAIMS, Refusal};
use crate::core::lease::{Admission, Holder, Lease, LeaseKey};
use crate::core::permit::{self, Permit};
use crate::core::reason::Reason;
use crate::core::replay::ReplayId;
use crate::core::time::{Monotonic, Now};
use crate::core::token::UserId;
use crate::faults;
use crate::firewall::Added;
use crate::log::event::Event;

/// Within what time a token that another engine used is a copy of the same
/// packet: two engines meet every packet while one takes over from the other.
pub(super) const COPY_WINDOW: Duration = Duration::from_secs(1);

impl Keeper {
    /// Does what `claim` asks, if the configuration allows it.
    pub fn open(&mut self, claim: &Claim, origin: &Origin, now: Now) {
        match self.try_open(claim, origin, now) {
            Ok(()) => self.stats.note_latency(now.monotonic.since(origin.seen)),
            Err(reason @ (Reason::Full | Reason::Failed)) => {
                self.stats.refused.count(reason);
                self.say_not_opened(claim, reason, now.monotonic);
            }
            Err(reason) => {
                let refusal = Refusal { reason, user: claim.ground.user(), offset: None };
                self.refuse(origin.source, refusal, now.monotonic);
            }
        }
    }

    /// Says that a packet was refused, as often as the log may grow.
    pub fn refuse(&mut self, source: IpAddr, refusal: Refusal, now: Monotonic) {
        self.stats.refused.count(refusal.reason);
        let user = refusal.user.and_then(|index| self.policy.user(index));
        let name = user.map(|user| user.name.as_str());
        self.log.refuse(source, refusal, name, now);
    }

    fn try_open(&mut self, claim: &Claim, origin: &Origin, now: Now) -> Result<(), Reason> {
        let policy = Arc::clone(&self.policy);
        let Permit { span, once } = permit::permit(&policy, claim, origin.source, now.wall)?;
        let user = claim.ground.user();
        self.rates.admit(user, now.monotonic)?;
        self.use_up(&policy, &once, claim.door, origin, now)?;
        faults::point("recorded");
        let key = LeaseKey { door: claim.door, address: claim.address };
        let holder = user.map_or(Holder::Sequence, Holder::User);
        let admission = self.leases.admit(key, holder)?;
        self.grant(key, holder, admission, span, now.monotonic)
    }

    /// Sees to it that the token is never honoured again.
    pub(super) fn record(
        &mut self,
        user: UserId,
        token: ReplayId,
        engine: u32,
        now: Now,
    ) -> Result<(), Reason> {
        let brought = Brought { engine, at: now.monotonic };
        let is_copy = self.journal.seen(&user, &token.id).is_some_and(|first| {
            ![engine, u32::MAX].contains(&first.engine)
                && now.monotonic.since(first.at) <= COPY_WINDOW
        });
        match self.journal.record(user, token, brought, now) {
            Err(Reason::Replayed) if is_copy => Err(Reason::Duplicate),
            Err(Reason::Failed) => {
                self.say_journal(now.monotonic);
                Err(Reason::Failed)
            }
            recorded => recorded,
        }
    }

    /// The same for a packet that may be for several doors, of which this is
    /// one. They come one after the other, each once.
    pub(super) fn record_for_one(
        &mut self,
        user: UserId,
        token: ReplayId,
        door: DoorIndex,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        let packet = (user, token.id, origin.engine, origin.seen);
        if let Some(last) = &mut self.last_packet
            && last.packet == packet
            && last.doors.len() < MAX_CLAIMS
            && !last.doors.contains(&door)
        {
            last.doors.push(door);
            return Ok(());
        }
        self.record(user, token, origin.engine, now)?;
        self.last_packet = Some(LastPacket { packet, doors: vec![door] });
        Ok(())
    }

    /// Opens or extends `key`, which was admitted: the entry first into the
    /// books, then into the table; only then the lease lives.
    pub(super) fn grant(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        admission: Admission,
        span: Duration,
        now: Monotonic,
    ) -> Result<(), Reason> {
        let policy = Arc::clone(&self.policy);
        let door = policy.door(key.door).ok_or(Reason::Forbidden)?;
        let slot = (door.table.clone(), door.entry(key.address));
        let is_held = admission != Admission::AddEntry;
        // Whether it succeeds or finds the table missing: there is something
        // to look after from now on.
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
        let stood = if is_held {
            self.leases.is_foreign(&key)
        } else {
            self.tables.stands(&slot.0, slot.1, now, &mut self.log)?
        };
        if admission != Admission::Extends {
            let lease = Lease { holder, opened: now, deadline: now + span };
            let record = record(&policy, key, &lease, stood);
            self.books.intend(record, &slot).map_err(|_| Reason::Failed)?;
        }
        faults::point("intended");
        let added = match self.tables.add(&slot.0, slot.1, is_held, now, &mut self.log) {
            Ok(added) => added,
            Err(reason) => {
                self.forget(key, &slot, is_held);
                return Err(reason);
            }
        };
        faults::point("added");
        let foreign = added == Added::Present && (stood || !is_held);
        if foreign != stood {
            drop(self.books.note_owner(&slot, foreign));
        }
        let before = self.leases.get(&key).map(|lease| lease.deadline);
        let deadline = self.leases.commit(key, holder, span, now, foreign);
        self.keep_in_books(&key);
        faults::point("committed");
        if admission != Admission::Extends {
            self.run_opened(&policy, key, holder, span, now);
        }
        if before != Some(deadline) {
            self.say_granted(key, holder, admission, span, now);
        }
        Ok(())
    }

    /// Strikes an intent that came to nothing, unless the entry may stand all
    /// the same and is yet to be taken out.
    fn forget(&mut self, key: LeaseKey, slot: &(Table, Entry), is_held: bool) {
        if self.tables.is_stuck(&slot.0, slot.1) {
            self.books.closing(key, slot);
        } else if is_held {
            if self.leases.get(&key).is_none() {
                self.books.free(key);
            }
        } else {
            self.books.free(key);
            self.books.gone(slot);
        }
    }

    fn keep_in_books(&mut self, key: &LeaseKey) {
        if let Some(lease) = self.leases.get(key) {
            let foreign = self.leases.is_foreign(key);
            self.books.commit(record(&self.policy, *key, lease, foreign));
        }
    }

    fn say_granted(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        admission: Admission,
        span: Duration,
        now: Monotonic,
    ) {
        let Some(door) = self.policy.door(key.door) else { return };
        let (door, address, by) = (door.name.as_str(), key.address, by(&self.policy, holder));
        let event = if admission == Admission::Extends {
            self.stats.extended += 1;
            Event::Extended { door, address, by, span }
        } else {
            self.stats.opened += 1;
            Event::Opened { door, address, by, span }
        };
        self.log.say_often(&event, now);
    }

    /// Who was entitled, and is shut out all the same, is named.
    fn say_not_opened(&mut self, claim: &Claim, reason: Reason, now: Monotonic) {
        if let Some(door) = self.policy.door(claim.door) {
            let (door, address) = (door.name.as_str(), claim.address);
            let by =
                by(&self.policy, claim.ground.user().map_or(Holder::Sequence, Holder::User));
            self.log.say_often(&Event::NotOpened { door, address, by, reason }, now);
        }
    }
}
