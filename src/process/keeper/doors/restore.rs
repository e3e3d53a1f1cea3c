//! What an earlier run left: its leases and its entries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::{CHECK_INTERVAL, Doors, record};
use crate::core::address;
use crate::core::address::Entry;
use crate::core::door::{DoorIndex, Table};
use crate::core::lease::{ADMIN_RESERVE, Holder, Lease, LeaseKey};
use crate::core::policy::OnRemove;
use crate::core::slot::{Slot, TableIndex};
use crate::core::time::{BootId, Monotonic};
use crate::firewall::{BATCH, Deleted};
use crate::keep::leases::{self, LeaseFile, Nothing, Recovered};
use crate::keep::recovery::{self, Plan, Restore};
use crate::log::event::Event;
use crate::message::runner::Occasion;

/// The entries of tables, as far as they were asked for and can be listed.
type Listed = BTreeMap<TableIndex, Option<BTreeSet<Entry>>>;

impl Doors {
    /// Continues where an earlier run ended: restores leases before their
    /// deadline, and deletes entries that no lease holds.
    pub fn restore(
        &mut self,
        run: &Path,
        boot: BootId,
        left: Result<Recovered, Nothing>,
        on_remove: OnRemove,
        now: Monotonic,
    ) {
        let Plan { delete, over, restore } = match left {
            Ok(left) => recovery::plan(&left, now),
            Err(Nothing::Missing) => Plan::default(),
            Err(Nothing::Broken(why)) => {
                self.log.write(&Event::LeasesLost { why: &why });
                Plan::default()
            }
        };
        let mut stray: Vec<_> =
            delete.into_iter().map(|(table, entry)| self.slot_of(&table, entry)).collect();
        for left in &over {
            self.run_over(left, now);
        }
        // Those whose entry may still be there come first, and what is ours is deleted
        // before the entries of suspended ones are looked for.
        let suspended = restore.partition_point(|left| !left.suspended);
        let (alive, suspended) = restore.split_at(suspended);
        let (mut restored, mut listed) = (Vec::new(), Listed::new());
        for leases in [alive, suspended] {
            self.sweep(&std::mem::take(&mut stray), now);
            for left in leases {
                match self.restore_lease(left, on_remove, &mut listed, now) {
                    Ok(key) => restored.push((key, left.suspended)),
                    Err(entry) => stray.extend(entry),
                }
            }
        }
        self.sweep(&stray, now);
        // On disk before any entry is added again.
        self.open_lease_file(run, boot);
        for some in restored.chunks(BATCH) {
            self.add_again(some, now);
        }
    }

    fn slot_of(&mut self, table: &Table, entry: Entry) -> Slot {
        Slot { table: self.tables.names_mut().index(table), entry }
    }

    /// Restores one lease, if it is still allowed. Otherwise returns its entry, if that
    /// is to be deleted.
    fn restore_lease(
        &mut self,
        left: &Restore,
        on_remove: OnRemove,
        listed: &mut Listed,
        now: Monotonic,
    ) -> Result<LeaseKey, Option<Slot>> {
        let slot = self.slot_of(&left.table, left.entry);
        if let Some((door, holder)) = self.allowed(left, slot, on_remove) {
            let key = LeaseKey { door, address: left.address };
            let foreign = self.is_foreign(left, &key, slot, listed, now);
            let deadline = left.deadline.min(now + self.longest(door, holder));
            let put = self.leases.restore(key, holder, left.opened, deadline, foreign);
            return put.map(|_| key).map_err(|_| None);
        }
        // The entry and the command of a suspended lease went with the stop.
        if left.suspended {
            return Err(None);
        }
        self.run_over(left, now);
        Err((!left.foreign).then_some(slot))
    }

    /// Queues the `on_close` command of a lease that ended without one.
    fn run_over(&mut self, left: &Restore, now: Monotonic) {
        let policy = self.policy();
        let Some((_, door)) = policy.door_by_name(&left.door) else { return };
        let user = match left.holder {
            leases::Holder::User(id) => policy.user_by_id(&id).map(|(_, user)| user),
            _ => None,
        };
        let span = left.deadline.min(now).since(left.opened);
        self.commands.run(door, Occasion::Close, left.address, user, span, now);
    }

    /// The door and the holder of a lease of an earlier run, if the configuration
    /// still allows it. A removed door or holder is treated as at a reload.
    fn allowed(
        &self,
        left: &Restore,
        slot: Slot,
        on_remove: OnRemove,
    ) -> Option<(DoorIndex, Holder)> {
        let policy = self.leases.policy();
        let own = policy.door_by_name(&left.door).map(|(door, _)| door);
        let door = own.or_else(|| policy.retired_by_name(&left.door))?;
        if address::host(left.address, policy.loopback) != Some(left.address) {
            return None;
        }
        if self.leases.slot(&LeaseKey { door, address: left.address }) != Some(slot) {
            return None;
        }
        let is_kept = on_remove == OnRemove::Keep;
        let removed = is_kept.then_some(Holder::Removed);
        let holder = match left.holder {
            leases::Holder::User(id) => match policy.user_by_id(&id) {
                Some((index, user)) => {
                    let may = own.is_none() || user.may_open(door);
                    (may && user.networks.allow(left.address)).then_some(Holder::User(index))
                }
                None => removed,
            },
            leases::Holder::Sequence => {
                (is_kept || policy.has_sequence_to(door)).then_some(Holder::Sequence)
            }
            leases::Holder::Former => removed,
            leases::Holder::Administrator => Some(Holder::Administrator),
        };
        Some((door, holder?))
    }

    /// The longest that a lease may last from now on, as after a reload.
    fn longest(&self, door: DoorIndex, holder: Holder) -> Duration {
        let policy = self.leases.policy();
        let Some(door) = policy.door(door) else { return Duration::ZERO };
        let user = holder.user().and_then(|user| policy.user(user));
        let most = Some(door.max_open_for);
        user.map_or(door.max_open_for, |user| user.lifetime(door, most))
    }

    /// Whether the entry of a lease of an earlier run is not ours. One list of the
    /// table answers this for all of them.
    fn is_foreign(
        &mut self,
        left: &Restore,
        key: &LeaseKey,
        slot: Slot,
        listed: &mut Listed,
        now: Monotonic,
    ) -> bool {
        if self.leases.is_held(key) {
            return self.leases.is_foreign(key);
        }
        if left.foreign || !left.suspended || self.tables.is_stuck(slot) {
            return left.foreign;
        }
        match listed.entry(slot.table).or_insert_with(|| self.tables.list(slot.table)) {
            Some(entries) => entries.contains(&slot.entry),
            None if self.tables.unusable().contains(&slot.table) => false,
            None => self.tables.has_foreign(slot, now).unwrap_or(false),
        }
    }

    /// Deletes entries that are ours and that no lease holds.
    fn sweep(&mut self, slots: &[Slot], now: Monotonic) {
        for (slot, deleted) in self.tables.delete(slots, now) {
            if deleted == Deleted::Deleted
                && let Some(table) = self.tables.names().get(slot.table)
            {
                self.log.write_limited(&Event::Swept { entry: slot.entry, table }, now);
            }
        }
    }

    /// Starts a lease file with all live leases.
    pub(super) fn open_lease_file(&mut self, run: &Path, boot: BootId) {
        let policy = self.leases.policy();
        let capacity = policy.limits.max_leases.saturating_add(ADMIN_RESERVE);
        let live = self
            .leases
            .iter_after(None)
            .map(|(key, lease)| record(policy, key, lease, self.leases.is_foreign(&key)));
        let file = LeaseFile::create(run, boot, &policy.doors, capacity, live);
        self.books.keep_in(file);
        self.report_books();
    }

    /// Adds the entries of leases of an earlier run again. Beside each key is whether
    /// it was suspended.
    fn add_again(&mut self, restored: &[(LeaseKey, bool)], now: Monotonic) {
        let policy = self.policy();
        let ours = restored.iter().filter(|(key, _)| !self.leases.is_foreign(key));
        let slots: Vec<_> = ours.filter_map(|(key, _)| self.leases.slot(key)).collect();
        // If the parent is gone, the keeper ends.
        drop(self.books.own(&slots));
        // A table that is missing gets them when it is back.
        self.tables.add_held(&slots, now);
        for (key, was_suspended) in restored {
            let Some(Lease { holder, deadline, .. }) = self.leases.get(key).copied() else {
                continue;
            };
            let (address, left) = (key.address, deadline.since(now));
            if let Some((door, by)) = Self::names(&policy, key.door, holder) {
                self.log.write_limited(&Event::Restored { door, address, by, left }, now);
            }
            if *was_suspended {
                // Its `on_close` command ran when the daemon stopped.
                self.run(&policy, Occasion::Open, (*key, holder), left, now);
            }
        }
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
    }
}
