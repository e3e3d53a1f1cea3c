//! What an earlier run left: its leases and its entries.

use std::path::Path;
use std::time::Duration;

use super::{CHECK_INTERVAL, Doors, record};
use crate::core::address;
use crate::core::door::DoorIndex;
use crate::core::lease::{ADMIN_RESERVE, Holder, Lease, LeaseKey};
use crate::core::policy::OnRemove;
use crate::core::slot::Slot;
use crate::core::time::{BootId, Monotonic};
use crate::firewall::Deleted;
use crate::keep::leases::{self, LeaseFile, Nothing, Recovered};
use crate::keep::recovery::{self, Plan, Restore};
use crate::log::event::Event;
use crate::message::runner::Occasion;

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
        for (table, entry) in delete {
            let slot = Slot { table: self.tables.names_mut().index(&table), entry };
            self.sweep(slot, now);
        }
        for left in &over {
            self.run_over(left, now);
        }
        let restored: Vec<_> = restore
            .iter()
            .filter_map(|left| self.restore_lease(left, on_remove, now))
            .collect();
        // On disk before any entry is added again.
        self.open_lease_file(run, boot);
        for (key, was_suspended) in restored {
            self.add_again(key, now);
            if let Some(lease) = self.leases.get(&key).copied()
                && was_suspended
            {
                // Its `on_close` command ran when the daemon stopped.
                let (policy, left) = (self.policy(), lease.deadline.since(now));
                self.run(&policy, Occasion::Open, (key, lease.holder), left, now);
            }
        }
    }

    /// Restores one lease, if it is still allowed; otherwise deletes its entry.
    /// Returns its key, and whether it was suspended.
    fn restore_lease(
        &mut self,
        left: &Restore,
        on_remove: OnRemove,
        now: Monotonic,
    ) -> Option<(LeaseKey, bool)> {
        let slot =
            Slot { table: self.tables.names_mut().index(&left.table), entry: left.entry };
        if let Some((door, holder)) = self.allowed(left, slot, on_remove) {
            let key = LeaseKey { door, address: left.address };
            let foreign = self.is_foreign(left, &key, slot, now);
            let deadline = left.deadline.min(now + self.longest(door, holder));
            let put = self.leases.restore(key, holder, left.opened, deadline, foreign);
            return put.is_ok().then_some((key, left.suspended));
        }
        // The entry and the command of a suspended lease went with the stop.
        if !left.suspended {
            if !left.foreign {
                self.sweep(slot, now);
            }
            self.run_over(left, now);
        }
        None
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

    /// Whether the entry of a lease of an earlier run is not ours.
    fn is_foreign(
        &mut self,
        left: &Restore,
        key: &LeaseKey,
        slot: Slot,
        now: Monotonic,
    ) -> bool {
        if self.leases.is_held(key) {
            return self.leases.is_foreign(key);
        }
        left.foreign || (left.suspended && self.tables.has_foreign(slot, now).unwrap_or(false))
    }

    /// Deletes an entry that is ours and that no lease holds.
    fn sweep(&mut self, slot: Slot, now: Monotonic) {
        if self.tables.delete(slot, now) == Some(Deleted::Deleted)
            && let Some(table) = self.tables.names().get(slot.table)
        {
            self.log.write_limited(&Event::Swept { entry: slot.entry, table }, now);
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

    /// Adds the entry of a lease of an earlier run again.
    fn add_again(&mut self, key: LeaseKey, now: Monotonic) {
        let policy = self.policy();
        let Some((lease, slot)) = self.leases.get(&key).copied().zip(self.leases.slot(&key))
        else {
            return;
        };
        if !self.leases.is_foreign(&key) {
            // If the parent is gone, the keeper ends.
            drop(self.books.note_owner(slot, false));
            // A table that is missing gets it when it is back.
            let _ = self.tables.add(slot, true, now);
        }
        let Lease { holder, deadline, .. } = lease;
        if let Some((door, by)) = Self::names(&policy, key.door, holder) {
            let (address, left) = (key.address, deadline.since(now));
            self.log.write_limited(&Event::Restored { door, address, by, left }, now);
        }
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
    }
}
