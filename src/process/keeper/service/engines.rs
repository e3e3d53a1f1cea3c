//! The engines: the one that serves, and those that it replaces.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::core::claim::{Authorization, Claim, Ground};
use crate::core::gate::Refusal;
use crate::core::policy::Policy;
use crate::core::time::Monotonic;
use crate::core::user::UserIndex;
use crate::message::channel::{Broken, Channel};
use crate::message::engine::{FromEngine, ToEngine};
use crate::process::backoff::Backoff;

/// How long an engine may take to serve.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long a retired engine may take for the packets that it has, and to end.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// The most engines at one time: one that serves, and the one before or after it.
const MOST: usize = 2;

/// The stage of an engine's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Started; it must serve by then.
    Starting(Monotonic),
    Serving,
    /// Retired; it must end by then.
    Retiring(Monotonic),
}

/// One engine.
pub struct Engine {
    /// Its number, as parent and keeper know it.
    pub id: u32,
    channel: Channel<UnixStream>,
    /// The configuration that it decides by.
    policy: Arc<Policy>,
    stage: Stage,
}

impl Engine {
    /// The next message.
    ///
    /// # Errors
    /// [`Broken`]: end it.
    pub fn recv(&mut self) -> Result<Option<FromEngine>, Broken> {
        self.channel.recv()
    }

    /// The channel, to wait on.
    pub const fn channel(&self) -> &Channel<UnixStream> {
        &self.channel
    }

    /// A claim of this engine in terms of `policy`; `None` when that has no such
    /// door, user or sequence.
    pub fn translate(&self, claim: Claim, policy: &Arc<Policy>) -> Option<Claim> {
        if Arc::ptr_eq(&self.policy, policy) {
            return Some(claim);
        }
        let (door, _) = policy.door_by_name(&self.policy.door(claim.door)?.name)?;
        let sequence = |index| policy.sequence_by_name(&self.policy.sequence(index)?.name);
        let author = |said: Authorization| {
            let id = self.policy.user(said.user)?.credential(said.credential)?.id();
            let (user, credential) = policy.credential_by_id(&id)?;
            Some(Authorization { user, credential, ..said })
        };
        let ground = match claim.ground {
            Ground::Token(said) => Ground::Token(author(said)?),
            Ground::Older(said) => Ground::Older(author(said)?),
            Ground::Fixed(index) => Ground::Fixed(sequence(index)?),
            Ground::Rolling(index, period) => Ground::Rolling(sequence(index)?, period),
            Ground::Line(index, offset) => {
                // It may lie elsewhere in a list that was changed.
                let line = self.policy.line(index, |line| line.offset == offset)?;
                let index = sequence(index)?;
                let line = policy.line(index, |other| other.steps == line.steps)?;
                Ground::Line(index, line.offset)
            }
        };
        Some(Claim { door, ground, ..claim })
    }

    /// A refusal of this engine in terms of `policy`.
    pub fn translate_refusal(&self, refusal: Refusal, policy: &Arc<Policy>) -> Refusal {
        let user = refusal.user.and_then(|user| self.translate_user(user, policy));
        Refusal { user, ..refusal }
    }

    fn translate_user(&self, user: UserIndex, policy: &Arc<Policy>) -> Option<UserIndex> {
        if Arc::ptr_eq(&self.policy, policy) {
            return Some(user);
        }
        let id = self.policy.user(user)?.id();
        policy.user_by_id(&id).map(|(user, _)| user)
    }
}

/// All engines, the newest last.
#[derive(Default)]
pub struct Engines {
    next_id: u32,
    all: Vec<Engine>,
    backoff: Backoff,
    /// When to start another, if there is room.
    restart: Option<Monotonic>,
}

impl Engines {
    /// Adds one, and queues its first `messages`. Returns its id and its end of
    /// the channel.
    ///
    /// # Errors
    /// The system's.
    pub fn add(
        &mut self,
        policy: Arc<Policy>,
        messages: Vec<(ToEngine, Option<OwnedFd>)>,
        now: Monotonic,
    ) -> Result<(u32, OwnedFd), Broken> {
        // Nothing that it sends has a blob.
        let (mut channel, theirs) = Channel::pair(0)?;
        for (message, descriptor) in messages {
            channel.queue(&message, descriptor)?;
        }
        channel.flush()?;
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.restart = None;
        self.all.push(Engine {
            id,
            channel,
            policy,
            stage: Stage::Starting(now + START_PATIENCE),
        });
        Ok((id, theirs))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Engine> {
        self.all.iter()
    }

    /// Engine `id`.
    pub fn get(&mut self, id: u32) -> Option<&mut Engine> {
        self.all.iter_mut().find(|engine| engine.id == id)
    }

    /// The newest, if there is one.
    pub fn newest(&self) -> Option<u32> {
        self.all.last().map(|engine| engine.id)
    }

    /// Retires all engines before `id`, which serves now. Returns whether it was
    /// still starting.
    pub fn serves(&mut self, id: u32, now: Monotonic) -> bool {
        let Some(place) = self.all.iter().position(|engine| engine.id == id) else {
            return false;
        };
        let (old, new) = self.all.split_at_mut(place);
        let Some(engine) = new.first_mut() else { return false };
        if !matches!(engine.stage, Stage::Starting(_)) {
            return false;
        }
        engine.stage = Stage::Serving;
        for engine in old.iter_mut().filter(|old| !matches!(old.stage, Stage::Retiring(_))) {
            engine.stage = Stage::Retiring(now + END_PATIENCE);
            // One that cannot be reached is ended when it is late.
            drop(engine.channel.queue(&ToEngine::Retire, None));
            drop(engine.channel.flush());
        }
        true
    }

    /// Whether the newest decides by `policy`.
    pub fn follows(&self, policy: &Arc<Policy>) -> bool {
        self.all.last().is_some_and(|engine| Arc::ptr_eq(&engine.policy, policy))
    }

    /// Sends the newest a message. One that does not read is found later.
    pub fn send(&mut self, message: &ToEngine, descriptor: Option<OwnedFd>) {
        if let Some(engine) = self.all.last_mut() {
            drop(engine.channel.queue(message, descriptor));
            drop(engine.channel.flush());
        }
    }

    /// Sends engine `id` what is queued.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn flush(&mut self, id: u32) -> Result<(), Broken> {
        self.get(id).map_or(Ok(()), |engine| engine.channel.flush())
    }

    /// Removes engine `id`. Returns whether it was the newest: then another is
    /// due.
    pub fn remove(&mut self, id: u32, now: Monotonic) -> bool {
        let was_newest = self.newest() == Some(id);
        self.all.retain(|engine| engine.id != id);
        if was_newest {
            self.restart = Some(self.backoff.after_death(now));
        }
        was_newest
    }

    /// Those that are late.
    pub fn overdue(&self, now: Monotonic) -> Vec<u32> {
        let is_late = |engine: &&Engine| match engine.stage {
            Stage::Starting(end) | Stage::Retiring(end) => end <= now,
            Stage::Serving => false,
        };
        self.all.iter().filter(is_late).map(|engine| engine.id).collect()
    }

    /// Whether another engine is due, and there is room for it.
    pub fn is_wanted(&self, now: Monotonic) -> bool {
        self.has_room() && self.restart.is_some_and(|due| due <= now)
    }

    /// Has another start as soon as there is room.
    pub fn want(&mut self) {
        self.restart = Some(Monotonic::default());
    }

    fn has_room(&self) -> bool {
        self.all.len() < MOST
    }

    /// Tries again later.
    pub fn put_off(&mut self, now: Monotonic) {
        self.restart = Some(self.backoff.after_death(now));
    }

    /// When [`Self::overdue`] or [`Self::is_wanted`] changes.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let ends = self.all.iter().filter_map(|engine| match engine.stage {
            Stage::Starting(end) | Stage::Retiring(end) => Some(end),
            Stage::Serving => None,
        });
        ends.chain(self.restart.filter(|_| self.has_room())).min()
    }
}
