//! Leases and tables under another configuration.

use std::path::Path;
use std::sync::Arc;

use super::Doors;
use crate::core::lease::{Ended, Leases, Reloaded, Step};
use crate::core::policy::{OnRemove, Policy};
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
        let nothing = Leases::new(Arc::clone(&old), self.tables.names_mut());
        let leases = std::mem::replace(&mut self.leases, nothing);
        let after = leases.under(policy, self.tables.names_mut(), on_remove, now);
        let Reloaded { leases, ended, steps, .. } = after;
        self.leases = leases;
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
        self.take_steps(&old, &steps, now);
        for Ended { key, lease, .. } in ended {
            let after = now.since(lease.opened);
            self.run(&old, Occasion::Close, (key, lease.holder), after, now);
            self.report_closed(&old, key, after, Ending::Removed, now);
        }
        self.check(now);
    }

    /// Adds and deletes entries. Additions come first, so no address is shut out
    /// in between, unless the old network would be in the way of the new.
    fn take_steps(&mut self, old: &Policy, steps: &[Step], now: Monotonic) {
        let mut gone = Vec::new();
        let adds_first = self.tables.nests_networks();
        let (first, then): (Vec<_>, Vec<_>) =
            steps.iter().partition(|step| matches!(step, Step::Add { .. }) == adds_first);
        for step in first.into_iter().chain(then) {
            match step {
                Step::Add { key, slot } => {
                    if !self.leases.is_foreign(key) {
                        let _ = self.tables.add(*slot, true, now);
                    }
                }
                Step::Delete { slot } => {
                    if self.tables.delete(*slot, now).is_some() {
                        self.books.gone(*slot);
                        gone.push(*slot);
                    }
                }
            }
        }
        self.kill_states(old, &gone, now);
    }
}
