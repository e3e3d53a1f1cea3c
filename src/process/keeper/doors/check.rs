//! Checks whether tables still hold what they should, and whether the rules of
//! the firewall use them.

use super::{CHECK_INTERVAL, Doors};
use crate::core::address::Family;
use crate::core::door::{self, OnClose};
use crate::core::slot::{Slot, TableIndex};
use crate::core::time::Monotonic;
use crate::firewall::{BATCH, FirewallError};
use crate::log::event::Ending;

impl Doors {
    /// Looks at the firewall for the first time, and logs what is wrong there or
    /// makes doors on `interfaces` useless.
    ///
    /// # Errors
    /// When the system does not let us use the firewall at all.
    pub fn survey(
        &mut self,
        interfaces: &[String],
        now: Monotonic,
    ) -> Result<(), FirewallError> {
        let policy = self.policy();
        let mut doors = policy.doors.iter();
        let killer = doors.find(|door| door.on_close == OnClose::KillStates);
        self.tables.survey(&self.leases.tables(), killer)?;
        self.watch(interfaces, now);
        Ok(())
    }

    /// Checks the firewall again, now that `interfaces` are captured on.
    pub fn watch(&mut self, interfaces: &[String], now: Monotonic) {
        self.interfaces = interfaces.to_vec();
        self.check(now);
    }

    pub(super) fn check_if_due(&mut self, now: Monotonic) {
        if !self.must_check() {
            self.next_check = None;
        }
        if self.next_check.is_some_and(|due| due <= now) {
            self.check(now);
        }
    }

    /// Checks the tables that others may have changed. An entry that somebody deleted
    /// ends its leases.
    pub(super) fn check(&mut self, now: Monotonic) {
        let tables = self.leases.tables();
        let mut gone = Vec::new();
        for table in self.tables.changed(&tables, now) {
            let ours: Vec<_> = self.leases.entries_of(table).collect();
            let families = self.networks(table);
            let lost = self.tables.check(table, &ours, &families);
            for lost in lost.chunks(BATCH) {
                let slots = lost.iter().map(|entry| Slot { table, entry: *entry });
                let ended = slots.flat_map(|slot| self.leases.revoke(slot)).collect();
                gone.append(&mut self.close(ended, Ending::Revoked, now));
            }
        }
        self.kill_states(&gone, now);
        self.tables.review(&tables, &self.interfaces);
        self.next_check = self.must_check().then(|| now + CHECK_INTERVAL);
    }

    /// The families of which a table holds networks.
    fn networks(&self, table: TableIndex) -> Vec<Family> {
        let table = self.tables.names().get(table);
        table.map_or_else(Vec::new, |table| door::networks(&self.policy().doors, table))
    }

    fn must_check(&self) -> bool {
        !self.leases.is_empty() || self.tables.has_complaints()
    }
}
