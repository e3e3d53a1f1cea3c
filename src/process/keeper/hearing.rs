//! What engines say, and their coming and going.

use std::sync::Arc;

use super::Origin;
use super::attachments::hand_out;
use super::service::{MESSAGE_BUDGET, Service};
use crate::core::time::{Monotonic, Now};
use crate::log::event::Event;
use crate::message::channel::Broken;
use crate::message::engine::{FromEngine, ToEngine};
use crate::message::parent::FromKeeper;
use crate::sys;
use crate::sys::confine;

impl Service {
    /// Hears engine `id`, or sends it what is left to send.
    pub(super) fn hear_engine(&mut self, id: u32, write: bool, now: Now) {
        let heard = if write { self.engines.flush(id) } else { self.hear_messages(id, now) };
        if let Err(error) = heard {
            self.lose_engine(id, &error, now.monotonic);
        }
    }

    fn hear_messages(&mut self, id: u32, now: Now) -> Result<(), Broken> {
        for _ in 0..MESSAGE_BUDGET {
            let Some(engine) = self.engines.get(id) else { return Ok(()) };
            let Some(message) = engine.recv()? else { return Ok(()) };
            let policy = self.keeper.policy();
            match message {
                FromEngine::Serving => self.be_served(id, now.monotonic),
                FromEngine::Open { claim, source, seen } => {
                    // Each grant has its own time, as each packet had.
                    let now = sys::now().unwrap_or(now);
                    if let Some(claim) = engine.translate(claim, &policy) {
                        self.keeper.open(&claim, &Origin { source, engine: id, seen }, now);
                    }
                }
                FromEngine::Refused { source, refusal } => {
                    let refusal = engine.translate_refusal(refusal, &policy);
                    self.keeper.refuse(source, refusal, now.monotonic);
                }
                FromEngine::Count { reason, times } => {
                    self.keeper.stats.refused.add(reason, times.into());
                }
                FromEngine::Failed { capture } => self.recapture(capture, now.monotonic),
            }
        }
        Ok(())
    }

    /// The newest engine serves; at the first time the daemon is ready.
    pub(super) fn be_served(&mut self, id: u32, now: Monotonic) {
        if !self.engines.serves(id, now) || self.is_ready {
            return;
        }
        self.is_ready = true;
        let interfaces = self.capture.names().len();
        let doors = self.config.policy.doors.len();
        self.keeper.log().say(&Event::Ready { interfaces, doors });
        if let Some(parent) = self.keeper.books.parent() {
            // If it is gone, the next turn tells.
            drop(parent.send(&FromKeeper::Ready, None));
        }
        if !self.foreground {
            // Nobody is at the terminal any more.
            drop(sys::silence(sys::Silence::Errors));
        }
    }

    /// An engine is gone, or is not listened to any more.
    pub(super) fn lose_engine(&mut self, id: u32, why: &Broken, now: Monotonic) {
        if let Some(parent) = self.keeper.books.parent() {
            drop(parent.send(&FromKeeper::End { id }, None));
        }
        if self.engines.remove(id, now) {
            self.keeper.stats.engine_restarts += 1;
            self.keeper.log().say(&Event::EngineLost { why });
        }
    }

    pub(super) fn engine_chores(&mut self, now: Now) {
        for id in self.engines.overdue(now.monotonic) {
            self.lose_engine(id, &Broken::Stuck, now.monotonic);
        }
        if self.engines.is_wanted(now.monotonic)
            && let Err(error) = self.start_engine(now)
        {
            self.keeper.log().say(&Event::CannotStart { what: "an engine", error: &error });
            self.engines.put_off(now.monotonic);
        }
    }

    /// Has the parent start an engine, which gets the configuration and every
    /// capture descriptor. Those that serve already go on until it serves.
    pub(super) fn start_engine(&mut self, now: Now) -> Result<(), Broken> {
        let directory = confine::empty_directory(&self.config.directories.run)?;
        let account = self.account.as_ref();
        let start = ToEngine::Start {
            foreground: self.foreground,
            verbose: self.verbose,
            account: account.map(|account| (account.uid.as_raw(), account.gid.as_raw())),
            barrier: self.keeper.barrier(),
            files: self.config.files.encode(),
            cell: directory.display().to_string(),
        };
        let mut messages = vec![(start, None)];
        for handout in self.capture.attached() {
            messages.push(hand_out(&handout)?);
        }
        let policy = Arc::clone(&self.config.policy);
        let (id, channel) = self.engines.add(policy, messages, now.monotonic)?;
        let parent = self.keeper.books.parent().ok_or(Broken::Ended)?;
        parent.send(&FromKeeper::Engine { id }, Some(channel))
    }
}
