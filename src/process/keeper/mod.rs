//! Acts: replay authority, leases and the firewall.
//!
//! The keeper checks each claim against its own configuration, so a compromised
//! engine gets no more than the configuration allows. Three owners share the
//! work, each with its own files:
//!
//! - [`memory`] knows what was accepted, and accepts it once.
//! - [`doors`] opens and closes them: leases, tables, and who else must know.
//! - `service` is the process: its channels, sockets and descriptors.
//!
//! [`Keeper`] joins the first two: a claim passes memory on its way to a door.

pub mod doors;
pub mod memory;
mod parent;
mod service;
pub mod stats;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{io, thread};

use crate::core::claim::Claim;
use crate::core::gate::Refusal;
use crate::core::lease::{Holder, LeaseKey};
use crate::core::permit::{self, Permit};
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::time::{Monotonic, Now};
use crate::faults;
use crate::log::Log;
use doors::Doors;
use memory::Memory;
use stats::Stats;

pub use service::run;

/// The longest and the shortest wait for work that is done beside the leases. What
/// is due may have to be tried again and again, so the shortest is not zero.
const LONGEST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(1);

/// Where a claim comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The packet's source.
    pub source: IpAddr,
    /// The engine that read it.
    pub engine: u32,
    /// When the engine read it, as the engine says.
    pub seen: Monotonic,
}

/// Turns claims into open doors.
pub struct Keeper {
    /// What opens and closes.
    pub doors: Doors,
    /// What was accepted already.
    pub memory: Memory,
    stats: Stats,
    log: Log,
}

impl Keeper {
    /// A keeper of `doors` that accepts nothing that `memory` knows.
    #[must_use]
    pub fn new(doors: Doors, memory: Memory, log: Log) -> Self {
        Self { doors, memory, stats: Stats::default(), log }
    }

    /// Opens the door of `claim`, if the configuration allows it.
    pub fn open(&mut self, claim: &Claim, origin: &Origin, now: Now) {
        match self.try_open(claim, origin, now) {
            Ok(()) => self.stats.note_latency(now.monotonic.since(origin.seen)),
            Err(reason @ (Reason::Full | Reason::Failed)) => {
                self.stats.refused.count(reason);
                self.doors.report_not_opened(claim, reason, now.monotonic);
            }
            Err(reason) => {
                let refusal = Refusal { reason, user: claim.ground.user(), offset: None };
                self.refuse(origin.source, refusal, now.monotonic);
            }
        }
    }

    /// Counts a packet that was refused, and logs it as often as the log may
    /// grow.
    pub fn refuse(&mut self, source: IpAddr, refusal: Refusal, now: Monotonic) {
        self.stats.refused.count(refusal.reason);
        let policy = self.doors.policy();
        let user = refusal.user.and_then(|index| policy.user(index));
        let name = user.map(|user| user.name.as_str());
        self.log.refuse(source, refusal, name, now);
    }

    /// Counts packets that were refused and whose sources are not known.
    pub fn refuse_many(&mut self, reason: Reason, times: u64, now: Monotonic) {
        self.stats.refused.add(reason, times);
        self.log.refuse_many(reason, times, now);
    }

    fn try_open(&mut self, claim: &Claim, origin: &Origin, now: Now) -> Result<(), Reason> {
        let policy = self.doors.policy();
        let Permit { span, once } = permit::permit(&policy, claim, origin.source, now.wall)?;
        let user = claim.ground.user();
        self.memory.accept(&policy, user, &once, claim.door, origin, now)?;
        faults::point("recorded");
        let key = LeaseKey { door: claim.door, address: claim.address };
        let holder = user.map_or(Holder::Sequence, Holder::User);
        self.doors.open(key, holder, span, now.monotonic)
    }

    /// The configuration that decides.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.doors.policy()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Monotonic) {
        self.doors.tick(now);
        self.log.tick(now);
    }

    /// When [`Self::tick`] or [`Memory::retry`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.doors.next_deadline(), self.memory.next_deadline(), self.log.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does `work` in a thread of its own, and ends leases on time meanwhile, by
    /// `clock`: reading ten thousand users takes longer than a lease may be late.
    ///
    /// # Errors
    /// The system's: no thread, or no clock.
    pub fn beside<T: Send>(
        &mut self,
        work: impl FnOnce() -> T + Send,
        clock: impl Fn() -> io::Result<Monotonic>,
    ) -> io::Result<T> {
        thread::scope(|scope| {
            let (done, awaited) = mpsc::channel();
            let work = move || drop(done.send(work()));
            thread::Builder::new().spawn_scoped(scope, work)?;
            loop {
                let now = clock()?;
                self.tick(now);
                let due = self.next_deadline().map_or(LONGEST, |due| due.since(now));
                match awaited.recv_timeout(due.clamp(SHORTEST, LONGEST)) {
                    Ok(done) => return Ok(done),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
        })
    }

    /// Closes every door, because the daemon stops. Leases before their deadline
    /// stay in the lease file for the next start. Returns how many entries could
    /// not be deleted.
    pub fn close_all(&mut self, now: Now) -> usize {
        let left = self.doors.close_all(now.monotonic);
        // Doors first: this waits for the disk.
        self.memory.finish(now);
        self.log.finish();
        left
    }
}
