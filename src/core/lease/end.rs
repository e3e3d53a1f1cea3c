//! How leases end.

use super::{Closed, Holders, LeaseKey, Leases};
use crate::core::door::DoorIndex;
use crate::core::slot::Slot;
use crate::core::time::Monotonic;

impl Leases {
    /// Ends the lease of `key`.
    #[must_use]
    pub fn close(&mut self, key: LeaseKey) -> Option<Closed> {
        let lease = self.live.remove(&key)?;
        self.deadlines.remove(&(lease.deadline, key));
        self.count(lease.holder, -1);
        let slot = self.release_entry(key);
        Some(Closed { key, lease, slot })
    }

    /// Ends every lease that holds `slot`: of each door, those of all hosts of
    /// the network.
    pub fn revoke(&mut self, slot: Slot) -> Vec<Closed> {
        let doors = (0..).map(DoorIndex).zip(&self.table_of_door);
        let doors = doors.filter(|(_, table)| **table == slot.table).map(|(door, _)| door);
        let keys = doors.flat_map(|door| {
            let first = LeaseKey { door, address: slot.entry.address() };
            let hosts = self.live.range(first..).map(|(key, _)| *key);
            hosts.take_while(move |key| key.door == door && slot.entry.contains(key.address))
        });
        // Another door of the table may have entries of another length.
        let keys: Vec<_> = keys.filter(|key| self.slot(key) == Some(slot)).collect();
        keys.into_iter().filter_map(|key| self.close(key)).collect()
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

    fn release_entry(&mut self, key: LeaseKey) -> Option<Slot> {
        if let Some(count) = self.of_door.get_mut(usize::from(key.door.0)) {
            *count -= 1;
        }
        let slot = self.slot(&key)?;
        let holders = self.entries.get_mut(&slot)?;
        holders.leases -= 1;
        let Holders { leases: 0, foreign } = *holders else { return None };
        self.entries.remove(&slot);
        (!foreign).then_some(slot)
    }
}
