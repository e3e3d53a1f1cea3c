//! How leases end.

use super::{Closed, Holders, LeaseKey, Leases};
use crate::core::address::Entry;
use crate::core::door::{DoorIndex, Table};
use crate::core::time::Monotonic;

impl Leases {
    /// Ends the lease of `key`.
    #[must_use]
    pub fn close(&mut self, key: LeaseKey) -> Option<Closed> {
        let lease = self.live.remove(&key)?;
        self.deadlines.remove(&(lease.deadline, key));
        self.count(lease.holder, -1);
        let entry = self.release_entry(key);
        Some(Closed { key, lease, entry })
    }

    /// Ends every lease that holds `entry` in `table`.
    pub fn revoke(&mut self, table: &Table, entry: Entry) -> Vec<Closed> {
        let doors = (0..).zip(&self.policy.doors).filter(|(_, door)| door.table == *table);
        let doors: Vec<_> = doors.map(|(index, _)| DoorIndex(index)).collect();
        let keys = doors.into_iter().map(|door| LeaseKey { door, address: entry.address() });
        keys.filter_map(|key| self.close(key)).collect()
    }

    /// Ends one lease whose deadline has passed. Call it until it returns `None`.
    #[must_use]
    pub fn expire(&mut self, now: Monotonic) -> Option<Closed> {
        let (deadline, key) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.close(key)
    }

    /// Ends the lease that expires next. Call it until it returns `None`.
    #[must_use]
    pub fn close_any(&mut self) -> Option<Closed> {
        let (_, key) = *self.deadlines.first()?;
        self.close(key)
    }

    fn release_entry(&mut self, key: LeaseKey) -> Option<(Table, Entry)> {
        if let Some(count) = self.of_door.get_mut(usize::from(key.door.0)) {
            *count -= 1;
        }
        let slot = self.slot(&key)?;
        let holders = self.entries.get_mut(&slot)?;
        holders.leases -= 1;
        let Holders { leases: 0, foreign } = *holders else { return None };
        self.entries.remove(&slot);
        let table = self.tables.get(usize::from(slot.0))?;
        (!foreign).then(|| (table.clone(), slot.1))
    }
}
