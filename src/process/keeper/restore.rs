//! What an earlier run left: its journal, its leases, its entries.

use std::path::Path;
use std::sync::Arc;

use super::{Brought, CHECK_INTERVAL, Keeper, by, record};
use crate::config::Config;
use crate::core::address::Entry;
use crate::core::command::NOBODY;
use crate::core::door::Table;
use crate::core::lease::{ADMIN_RESERVE, Holder, Lease, LeaseKey};
use crate::core::replay::Barrier;
use crate::core::time::{BootId, Monotonic, Now};
use crate::keep::journal::{self, Journal};
use crate::keep::leases::{self, LeaseFile, Nothing, Recovered};
use crate::keep::recovery::{self, Plan, Restore};
use crate::log::event::Event;
use crate::message::channel::Broken;
use crate::message::runner::Occasion;

/// The journal of `config`.
pub(super) fn journal(config: &Config, boot: BootId, now: Now) -> Journal<Brought> {
    let policy = &config.policy;
    let max_skew = policy.max_skew();
    let capacity = journal::capacity(policy.remembered_count());
    Journal::open(&config.directories.state, boot, capacity, max_skew, now)
}

impl Keeper {
    /// Gives the parent a number for every table.
    pub(super) fn announce_tables(&mut self) -> Result<(), Broken> {
        self.books.name(self.leases.tables())
    }

    /// Which tokens are too old to be believed.
    pub(super) fn barrier(&self) -> Barrier {
        self.journal.barrier()
    }

    /// Takes up what an earlier run left: leases within their time live on,
    /// entries without a lease go.
    pub(super) fn restore(
        &mut self,
        run: &Path,
        boot: BootId,
        left: Result<Recovered, Nothing>,
        now: Monotonic,
    ) {
        let Plan { delete, over, restore } = match left {
            Ok(left) => recovery::plan(&left, now),
            Err(Nothing::Missing | Nothing::OtherBoot) => Plan::default(),
            Err(Nothing::Broken(why)) => {
                self.log.say(&Event::LeasesLost { why: &why });
                Plan::default()
            }
        };
        for slot in delete {
            self.sweep(&slot, now);
        }
        for left in &over {
            self.run_over(left, now);
        }
        let mut restored = Vec::new();
        for left in &restore {
            match self.key_of(left) {
                Some((key, lease)) => {
                    let foreign = self.is_foreign(left, &key, now);
                    let Lease { holder, opened, deadline } = lease;
                    let put = self.leases.restore(key, holder, opened, deadline, foreign);
                    restored.extend(put.is_ok().then_some((key, left.suspended)));
                }
                // The configuration changed meanwhile.
                None if left.suspended => {}
                None => {
                    if !left.foreign {
                        self.sweep(&(left.table.clone(), left.entry), now);
                    }
                    self.run_over(left, now);
                }
            }
        }
        // On disk before any entry is put back.
        self.open_lease_file(run, boot);
        for (key, suspended) in restored {
            self.put_back(key, now);
            if let Some(lease) = self.leases.get(&key).copied()
                && suspended
            {
                // What closed it was run when the daemon stopped.
                let (policy, left) = (self.policy(), lease.deadline.since(now));
                self.run_opened(&policy, key, lease.holder, left, now);
            }
        }
    }

    /// Has run what is to be run when a door closes, for a lease that an
    /// earlier run did not see end.
    fn run_over(&mut self, left: &Restore, now: Monotonic) {
        let policy = self.policy();
        let Some((_, door)) = policy.door_by_name(&left.door) else { return };
        let user = match left.holder {
            leases::Holder::User(id) => policy.user_by_id(&id),
            _ => None,
        };
        let user = user.map_or(NOBODY, |(_, user)| &user.name);
        let span = left.deadline.min(now).since(left.opened);
        self.run(door, Occasion::Close, left.address, user, span, now);
    }

    /// Where a lease of an earlier run lives now, if it may.
    fn key_of(&self, left: &Restore) -> Option<(LeaseKey, Lease)> {
        let (door, found) = self.policy.door_by_name(&left.door)?;
        if found.table != left.table || found.entry(left.address) != left.entry {
            return None;
        }
        let holder = match left.holder {
            leases::Holder::User(id) => {
                let (index, user) = self.policy.user_by_id(&id)?;
                let may = user.may_open(door) && user.networks.allow(left.address);
                may.then_some(Holder::User(index))?
            }
            leases::Holder::Sequence => {
                self.policy.has_sequence_to(door).then_some(Holder::Sequence)?
            }
            leases::Holder::Administrator => Holder::Administrator,
            leases::Holder::Former => Holder::Removed,
        };
        let lease = Lease { holder, opened: left.opened, deadline: left.deadline };
        Some((LeaseKey { door, address: left.address }, lease))
    }

    /// Whether the entry of a lease of an earlier run is somebody else's.
    fn is_foreign(&mut self, left: &Restore, key: &LeaseKey, now: Monotonic) -> bool {
        if self.leases.is_held(key) {
            return self.leases.is_foreign(key);
        }
        let mut stands =
            || self.tables.stands(&left.table, left.entry, now, &mut self.log).unwrap_or(false);
        left.foreign || (left.suspended && stands())
    }

    /// Takes out an entry that is ours and that nobody holds any more.
    fn sweep(&mut self, slot: &(Table, Entry), now: Monotonic) {
        if self.tables.delete(&slot.0, slot.1, now, &mut self.log) {
            self.log.say_often(&Event::Swept { entry: slot.1, table: &slot.0 }, now);
        }
    }

    /// Begins a lease file with all that lives.
    pub(super) fn open_lease_file(&mut self, run: &Path, boot: BootId) {
        let capacity = self.policy.limits.max_leases.saturating_add(ADMIN_RESERVE);
        let live = self
            .leases
            .iter_after(None)
            .map(|(key, lease)| record(&self.policy, key, lease, self.leases.is_foreign(&key)));
        let file = LeaseFile::create(run, boot, &self.policy.doors, capacity, live);
        self.books.keep_in(file);
        self.say_books();
    }

    /// Puts the entry of a lease of an earlier run back.
    fn put_back(&mut self, key: LeaseKey, now: Monotonic) {
        let policy = Arc::clone(&self.policy);
        let Some(door) = policy.door(key.door) else { return };
        let Some(lease) = self.leases.get(&key).copied() else { return };
        let slot = (door.table.clone(), door.entry(key.address));
        if !self.leases.is_foreign(&key) {
            // If the parent is gone, so are we.
            drop(self.books.note_owner(&slot, false));
            // A table that is missing gets it when it is there.
            let _ = self.tables.add(&slot.0, slot.1, true, now, &mut self.log);
        }
        let (door, address) = (door.name.as_str(), key.address);
        let (by, left) = (by(&policy, lease.holder), lease.deadline.since(now));
        self.log.say_often(&Event::Restored { door, address, by, left }, now);
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
    }
}

/// What is wrong with what is kept, and when it is right again.
impl Keeper {
    /// Says why leases cannot be kept, once.
    pub(super) fn say_books(&mut self) {
        if let Some(error) = self.books.trouble() {
            self.log.say(&Event::CannotKeepLeases { error: &error });
        }
    }

    /// Says what the journal does not know at the start.
    pub(super) fn say_loss(&mut self) {
        if let Some(why) = self.journal.loss()
            && !self.policy.token_ports().is_empty()
        {
            self.log.say(&Event::Barrier { span: self.policy.max_skew(), why });
        }
    }

    /// Says why the journal cannot be kept, if so, and has it tried again.
    pub(super) fn say_journal(&mut self, now: Monotonic) {
        if let Some(why) = self.journal.trouble()
            && self.next_journal.is_none()
        {
            self.log.say(&Event::JournalBroken { why: &why });
            self.next_journal = Some(now + CHECK_INTERVAL);
        }
    }

    /// Tries again to keep the journal, if that is due.
    pub(super) fn try_journal(&mut self, now: Now) {
        if self.next_journal.is_none_or(|due| due > now.monotonic) {
            return;
        }
        self.next_journal = None;
        if self.journal.retry(now) {
            self.log.say(&Event::JournalBack);
        } else {
            self.next_journal = Some(now.monotonic + CHECK_INTERVAL);
        }
    }

    /// Marks the journal as whole.
    pub(super) fn finish_journal(&mut self, now: Now) {
        if let Err(error) = self.journal.finish(now) {
            self.log.say(&Event::JournalBroken { why: &error });
        }
    }
}
