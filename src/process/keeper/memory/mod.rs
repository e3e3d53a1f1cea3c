//! What was accepted: tokens in the journal, lines of lists, and how often each
//! user may still ask.

mod lists;
mod rates;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Origin;
use crate::core::door::DoorIndex;
use crate::core::gate::MAX_CLAIMS;
use crate::core::permit::Once;
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::replay::{Barrier, Honoured, MAX_CAPACITY, ReplayId};
use crate::core::sequence::SequenceIndex;
use crate::core::time::{Monotonic, Now};
use crate::core::token::UserId;
use crate::core::user::UserIndex;
use crate::keep::journal::{self, Journal};
use crate::keep::slots::SLOT;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::engine::ToEngine;
use lists::Lists;
use rates::Rates;

pub use lists::{Struck, understand};

/// How soon to try again to write the journal.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// For how long a token that another engine accepted is a copy of the same
/// packet: two engines read every packet while one replaces the other.
const COPY_WINDOW: Duration = Duration::from_secs(1);

/// Which engine brought a token, and when.
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

/// The packet for several doors that was accepted last, and for which of them
/// so far.
#[derive(Debug)]
struct LastPacket {
    /// Its user, its id, and which engine read it when.
    packet: (UserId, [u8; 16], u32, Monotonic),
    /// At most [`MAX_CLAIMS`].
    doors: Vec<DoorIndex>,
}

/// Accepts each token, packet, period and line once.
pub struct Memory {
    journal: Journal<Brought>,
    last_packet: Option<LastPacket>,
    lists: Lists,
    rates: Rates,
    /// When to try again to write the journal.
    next_retry: Option<Monotonic>,
    log: Log,
}

impl Memory {
    /// Accepts nothing that `journal` knows.
    #[must_use]
    pub fn new(policy: &Policy, journal: Journal<Brought>, log: Log) -> Self {
        Self {
            journal,
            last_packet: None,
            lists: Lists::new(log.clone()),
            rates: Rates::new(policy),
            next_retry: None,
            log,
        }
    }

    /// Records what a grant uses up, so that it opens nothing again.
    ///
    /// # Errors
    /// The reason why the claim is refused.
    pub fn accept(
        &mut self,
        policy: &Policy,
        user: Option<UserIndex>,
        once: &Once<'_>,
        door: DoorIndex,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        self.rates.admit(user, now.monotonic)?;
        match *once {
            Once::Nothing => Ok(()),
            Once::Token(owner, token) => self.record(owner, token, origin.engine, now),
            Once::Packet(owner, token) => self.record_for_one(owner, token, door, origin, now),
            Once::Period(begin, ..) if !self.journal.knows_since(begin, now) => {
                Err(Reason::Uncertain)
            }
            Once::Period(_, owner, token) => {
                self.record_for_one(owner, token, door, origin, now)
            }
            Once::Line(index, list, place) => {
                let name = policy.sequence(index).map_or("", |sequence| &sequence.name);
                self.lists.strike((index, name), list, place, origin, now.monotonic)
            }
        }
    }

    fn record(
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
                self.report_trouble(now.monotonic);
                Err(Reason::Failed)
            }
            recorded => recorded,
        }
    }

    /// The same for a packet that may open several doors, of which this is one.
    /// Their claims come one after the other, each once.
    fn record_for_one(
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

    /// Follows another configuration, with these lists.
    pub fn follow(
        &mut self,
        policy: &Arc<Policy>,
        lists: &[(SequenceIndex, PathBuf)],
        now: Now,
    ) {
        // Doors have other indices now.
        self.last_packet = None;
        self.use_lists(lists);
        let capacity = journal::capacity(policy.remembered_count());
        self.journal.fit(capacity, policy.max_skew(), now);
        self.report_trouble(now.monotonic);
        self.rates = Rates::new(policy);
    }

    /// Strikes out lines of these files from now on, each the list of a sequence.
    pub fn use_lists(&mut self, lists: &[(SequenceIndex, PathBuf)]) {
        self.lists.replace(lists);
    }

    /// The lines that were struck out since the last call.
    pub fn take_struck(&mut self) -> Vec<Struck> {
        self.lists.take_struck()
    }

    /// What is used up, for an engine that did not see it.
    #[must_use]
    pub fn used(&self, now: Now) -> ToEngine {
        let live = self.journal.live(now.wall).take(MAX_CAPACITY);
        let tokens = live.map(|(user, token, first)| Honoured { user, token, at: first.at });
        ToEngine::Used { tokens: tokens.collect(), lines: self.lists.used() }
    }

    /// Which tokens are too old to be accepted.
    #[must_use]
    pub fn barrier(&self) -> Barrier {
        self.journal.barrier()
    }

    /// Logs what the journal does not know at the start.
    pub fn report_loss(&self, policy: &Policy) {
        if let Some(why) = self.journal.loss()
            && !policy.token_ports().is_empty()
        {
            self.log.write(&Event::Barrier { span: policy.max_skew(), why });
        }
    }

    /// Logs why the journal cannot be written, if so, and has
    /// [`retry`](Self::retry) try again.
    pub fn report_trouble(&mut self, now: Monotonic) {
        if let Some(why) = self.journal.trouble()
            && self.next_retry.is_none()
        {
            self.log.write(&Event::JournalBroken { why: &why });
            self.next_retry = Some(now + RETRY_INTERVAL);
        }
    }

    /// Tries again to write the journal, if that is due.
    pub fn retry(&mut self, now: Now) {
        if self.next_retry.is_none_or(|due| due > now.monotonic) {
            return;
        }
        let is_back = self.journal.retry(now);
        self.next_retry = (!is_back).then(|| now.monotonic + RETRY_INTERVAL);
        if is_back {
            self.log.write(&Event::JournalBack);
        }
    }

    /// When [`Self::retry`] has something to do.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Monotonic> {
        self.next_retry
    }

    /// Marks the journal as complete.
    pub fn finish(&mut self, now: Now) {
        if let Err(error) = self.journal.finish(now) {
            self.log.write(&Event::JournalBroken { why: &error });
        }
    }

    /// Why the journal cannot be written.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.journal.trouble()
    }

    /// How many tokens are recorded, and for how many there is room.
    #[must_use]
    pub fn room(&self) -> (usize, usize) {
        self.journal.room()
    }

    /// The size of the journal.
    #[must_use]
    pub fn journal_bytes(&self) -> usize {
        (self.room().1 + 1) * SLOT
    }
}
