//! Messages of engines, and how engines start and end.

use std::io;
use std::sync::Arc;

use super::attachments::hand_out;
use super::{MESSAGE_BUDGET, Service};
use crate::core::time::{Monotonic, Now};
use crate::log::event::Event;
use crate::message::channel::Broken;
use crate::message::engine::{FromEngine, ToEngine};
use crate::message::parent::FromKeeper;
use crate::process::keeper::Origin;
use crate::sys;
use crate::sys::confine;

/// Bytes of memory for an engine's program, libraries, stack and messages, for 16
/// interfaces that appear later, and for what an allocator leaves unused.
const BASE: usize = 64 << 20;
/// For each interface: the ring or the buffer of its frames.
const PER_INTERFACE: usize = 4 << 20;
/// For each byte of the configuration and its key files. 10,000 users take 26.
const PER_BYTE: usize = 64;
/// For what the gate remembers: an allocator leaves gaps.
const SPARE: usize = 2;

impl Service {
    /// Dispatches messages of engine `id`, or sends it what is queued.
    pub(super) fn dispatch_engine(&mut self, id: u32, write: bool, now: Now) {
        let done = if write { self.engines.flush(id) } else { self.dispatch(id, now) };
        if let Err(error) = done {
            self.lose_engine(id, &error, now);
        }
    }

    fn dispatch(&mut self, id: u32, now: Now) -> Result<(), Broken> {
        for _ in 0..MESSAGE_BUDGET {
            let Some(engine) = self.engines.get(id) else { return Ok(()) };
            let Some(message) = engine.recv()? else { return Ok(()) };
            let policy = self.keeper.policy();
            match message {
                FromEngine::Serving => self.use_engine(id, now.monotonic),
                FromEngine::Open { claim, source, seen } => {
                    // Each grant has its own time, as each packet had.
                    let now = sys::now().unwrap_or(now);
                    if let Some(claim) = engine.translate(claim, &policy) {
                        self.keeper.open(&claim, &Origin { source, engine: id, seen }, now);
                    }
                    // Recording a claim waits for the disk, and doors close on time.
                    self.keeper.tick(now.monotonic);
                }
                FromEngine::Refused { source, refusal } => {
                    let refusal = engine.translate_refusal(refusal, &policy);
                    self.keeper.refuse(source, refusal, now.monotonic);
                }
                FromEngine::Count { reason, times } => {
                    self.keeper.refuse_many(reason, times.into(), now.monotonic);
                }
                FromEngine::Failed { capture } => self.recapture(capture, now.monotonic),
            }
        }
        Ok(())
    }

    /// Uses the newest engine, which serves now. With the first one the daemon is
    /// ready.
    fn use_engine(&mut self, id: u32, now: Monotonic) {
        if !self.engines.serves(id, now) || self.is_ready {
            return;
        }
        self.is_ready = true;
        let interfaces = self.capture.names().len();
        let doors = self.config.policy.doors.len();
        // Before the line: a keeper that dies after it is to be replaced.
        self.parent.notify(&FromKeeper::Ready);
        self.log.write(&Event::Ready { interfaces, doors });
        if !self.foreground {
            // The terminal may be closed now.
            drop(sys::silence(sys::Silence::Errors));
        }
    }

    /// Ends an engine that died or misbehaved, or was retired.
    fn lose_engine(&mut self, id: u32, why: &Broken, now: Now) {
        self.parent.notify(&FromKeeper::End { id });
        if self.engines.remove(id, now.monotonic) {
            self.engine_restarts += 1;
            self.log.write(&Event::EngineLost { why });
            // What makes the first one fail would make every other one fail.
            self.has_failed = !self.is_ready && self.deaths == 0;
        } else if self.engines.follows(&self.config.policy) {
            // What the old one still let in.
            self.engines.send(&self.keeper.memory.used(now), None);
        }
    }

    /// Ends engines that are late, and starts one after a reload or a death.
    pub(super) fn replace_engines(&mut self, now: Now) {
        for id in self.engines.overdue(now.monotonic) {
            self.lose_engine(id, &Broken::Stuck, now);
        }
        if self.engines.is_wanted(now.monotonic)
            && let Err(error) = self.start_engine(now)
        {
            self.log.write(&Event::CannotStart { what: "an engine", error: &error });
            self.engines.put_off(now.monotonic);
        }
    }

    /// How much memory an engine may have, in MB, with `length` bytes of files.
    fn engine_size(&self, length: usize) -> u32 {
        let bytes = [
            PER_INTERFACE.saturating_mul(self.capture.attached().count()),
            PER_BYTE.saturating_mul(length),
            SPARE.saturating_mul(self.config.policy.gate_size()),
        ];
        let bytes = bytes.into_iter().fold(BASE, usize::saturating_add);
        u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
    }

    /// Asks the parent to start an engine, which gets the configuration and every
    /// capture descriptor. Those that serve already go on until it serves.
    pub(super) fn start_engine(&mut self, now: Now) -> Result<(), Broken> {
        let directory = confine::empty_directory(&self.config.directories.run)
            .map_err(|error| Broken::System(io::Error::other(error.to_string())))?;
        let account = self.account.as_ref();
        let files = self.config.files.encode();
        let start = ToEngine::Start {
            foreground: self.foreground,
            verbose: self.verbose,
            account: account.map(|account| (account.uid.as_raw(), account.gid.as_raw())),
            barrier: self.keeper.memory.barrier(),
            megabytes: self.engine_size(files.len()),
            files,
            cell: directory.display().to_string(),
        };
        let mut messages = vec![(start, None), (self.keeper.memory.used(now), None)];
        for handout in self.capture.attached() {
            messages.push(hand_out(&handout)?);
        }
        let policy = Arc::clone(&self.config.policy);
        let (id, channel) = self.engines.add(policy, messages, now.monotonic)?;
        self.parent.send(&FromKeeper::Engine { id }, Some(channel))
    }
}
