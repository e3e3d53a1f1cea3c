//! Leases and tables under another configuration.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::Doors;
use crate::core::lease::{Ended, Leases, Reloaded, Step};
use crate::core::policy::{OnRemove, Policy};
use crate::core::slot::Slot;
use crate::core::time::{BootId, Monotonic};
use crate::log::event::Ending;
use crate::message::runner::Occasion;

impl Doors {
    /// Follows `policy` from now on. Leases that it does not allow end; the lease
    /// file in the directory `run` starts again.
    pub fn follow(
        &mut self,
        policy: Arc<Policy>,
        on_remove: OnRemove,
        (run, boot): (&Path, BootId),
        now: Monotonic,
    ) {
        let old = self.policy();
        let killers = Rc::clone(&self.killers);
        let nothing = Leases::new(Arc::clone(&old), self.tables.names_mut());
        let leases = std::mem::replace(&mut self.leases, nothing);
        let after = leases.under(policy, self.tables.names_mut(), on_remove, now);
        let Reloaded { leases, ended, steps, .. } = after;
        self.leases = leases;
        self.killers = super::killers(&self.leases);
        // If the parent is gone, the next turn of the loop finds out.
        drop(self.announce_tables());
        for step in &steps {
            if let Step::Add { key, slot } = step {
                match self.tables.has_foreign(*slot, now) {
                    Ok(true) => self.leases.disown(key),
                    _ => drop(self.books.note_owner(*slot, false)),
                }
            }
        }
        // On disk before any entry is added or deleted.
        self.open_lease_file(run, boot);
        let gone = self.take_steps(&steps, now);
        self.books.gone(&gone);
        self.kill_states_of(&killers, &gone, now);
        for Ended { key, lease, .. } in ended {
            let after = now.since(lease.opened);
            self.run(&old, Occasion::Close, (key, lease.holder), after, now);
            self.report_closed(&old, key, after, Ending::Removed, now);
        }
        self.tables.look_again();
        self.check(now);
    }

    /// Adds and deletes entries. Additions come first, so no address is shut out
    /// in between, unless the old network would be in the way of the new. Returns
    /// what is deleted.
    fn take_steps(&mut self, steps: &[Step], now: Monotonic) -> Vec<Slot> {
        let (mut add, mut delete) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Add { key, .. } if self.leases.is_foreign(key) => {}
                Step::Add { slot, .. } => add.push(*slot),
                Step::Delete { slot } => delete.push(*slot),
            }
        }
        let adds_first = self.tables.nests_networks();
        if adds_first {
            self.tables.add_held(&add, now);
        }
        let gone = self.tables.delete(&delete, now).into_iter().map(|(slot, _)| slot).collect();
        if !adds_first {
            self.tables.add_held(&add, now);
        }
        gone
    }
}
