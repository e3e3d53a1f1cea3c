//! What the configuration allows: doors, users, sequences and tokens.
//!
//! The configuration is checked when it is read. The gate and the leases only
//! look things up.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use super::address::Loopback;
use super::credential::Credential;
use super::door::{self, Door, DoorId, DoorIndex};
#[cfg(feature = "legacy")]
use super::legacy::{Legacy, Way};
use super::one_time::Line;
use super::replay::SHARE_SIZE;
use super::sequence::{ATTEMPT_SIZE, Sequence, SequenceIndex, Steps};
use super::token::{GateKey, ServerId, UserId};
use super::user::{CredentialIndex, User, UserIndex};

/// How tokens arrive.
#[derive(Debug)]
pub struct Spa {
    /// The UDP port that clients send to. Nothing listens on it.
    pub port: u16,
    /// One key, or two while clients change over. Each has the server's id that
    /// tokens under it pin.
    pub gate_keys: Vec<(GateKey, ServerId)>,
    /// How far a token's time of issue may lie from ours, either way.
    pub max_skew: Duration,
}

/// Limits of the whole daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most live leases.
    pub max_leases: u32,
    /// The most attempts at sequences that are under way.
    pub max_attempts: u32,
}

/// What happens to leases whose door or holder a new configuration removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OnRemove {
    /// They are closed.
    #[default]
    Close,
    /// They go on until their deadlines.
    Keep,
}

/// The checked configuration, as far as decisions need it.
#[derive(Debug)]
pub struct Policy {
    /// How tokens arrive, if tokens are configured.
    pub spa: Option<Spa>,
    /// How tokens of older programs arrive, if they are configured.
    #[cfg(feature = "legacy")]
    pub legacy: Option<Legacy>,
    /// The doors by [`DoorIndex`], retired ones last.
    pub doors: Vec<Door>,
    /// The users by [`UserIndex`].
    pub users: Vec<User>,
    /// The knock sequences by [`SequenceIndex`].
    pub sequences: Vec<Sequence>,
    /// Whether loopback addresses may be granted.
    pub loopback: Loopback,
    /// The limits of the daemon.
    pub limits: Limits,
    user_ids: HashMap<UserId, (UserIndex, CredentialIndex)>,
    door_ids: HashMap<DoorId, DoorIndex>,
    /// How many doors are configured; the retired ones follow them.
    own_doors: usize,
}

impl Policy {
    /// Combines the parts. The configuration refuses two users or doors with the
    /// same id before.
    #[must_use]
    pub fn new(
        spa: Option<Spa>,
        doors: Vec<Door>,
        users: Vec<User>,
        sequences: Vec<Sequence>,
        loopback: Loopback,
        limits: Limits,
    ) -> Self {
        let user_ids = (0..)
            .zip(&users)
            .flat_map(|(index, user)| {
                let ids = (0..=u8::MAX).map(CredentialIndex).zip(&user.credentials);
                ids.map(move |(place, each)| (each.id(), (UserIndex(index), place)))
            })
            .collect();
        let door_ids = (0..)
            .zip(&doors)
            .map(|(index, door)| (door::wire_id(&door.name), DoorIndex(index)))
            .collect();
        let own_doors = doors.len();
        Self {
            spa,
            #[cfg(feature = "legacy")]
            legacy: None,
            doors,
            users,
            sequences,
            loopback,
            limits,
            user_ids,
            door_ids,
            own_doors,
        }
    }

    /// Adds the tokens of older programs.
    #[cfg(feature = "legacy")]
    #[must_use]
    pub fn with_legacy(self, legacy: Option<Legacy>) -> Self {
        Self { legacy, ..self }
    }

    /// The format of packets to this UDP port, if it belongs to an older program.
    #[cfg(feature = "legacy")]
    #[must_use]
    pub fn way_at(&self, port: u16) -> Option<(&Legacy, &Way)> {
        let legacy = self.legacy.as_ref()?;
        Some((legacy, legacy.ways.iter().find(|way| way.port == port)?))
    }

    /// The UDP ports for tokens of all formats.
    #[must_use]
    pub fn token_ports(&self) -> Vec<u16> {
        let ports = self.spa.iter().map(|spa| spa.port);
        #[cfg(feature = "legacy")]
        let ports =
            ports.chain(self.legacy.iter().flat_map(|legacy| &legacy.ways).map(|way| way.port));
        ports.collect()
    }

    /// How far the times of tokens by `credential` may lie from ours, either
    /// way; `None` when no such token is configured.
    #[must_use]
    pub fn max_skew_of(&self, credential: &Credential) -> Option<Duration> {
        #[cfg(feature = "legacy")]
        if credential.kind().is_none() {
            return self.legacy.as_ref().map(|legacy| legacy.max_skew);
        }
        let _ = credential;
        self.spa.as_ref().map(|spa| spa.max_skew)
    }

    /// How far the time of any token may lie from ours; zero when no tokens are
    /// configured.
    #[must_use]
    pub fn max_skew(&self) -> Duration {
        let skews = self.spa.iter().map(|spa| spa.max_skew);
        #[cfg(feature = "legacy")]
        let skews = skews.chain(self.legacy.iter().map(|legacy| legacy.max_skew));
        skews.max().unwrap_or_default()
    }

    /// Appends retired doors, for leases that go on until their deadlines. They
    /// are not found by name and nobody may open them. Doors beyond the range
    /// of [`DoorIndex`] are dropped.
    #[must_use]
    pub fn with_retired(mut self, doors: Vec<Door>) -> Self {
        let room = (usize::from(u16::MAX) + 1).saturating_sub(self.doors.len());
        self.doors.extend(doors.into_iter().take(room));
        self
    }

    /// Whether the door at `index` is one of [`Self::with_retired`].
    #[must_use]
    pub fn is_retired(&self, index: DoorIndex) -> bool {
        (self.own_doors..self.doors.len()).contains(&usize::from(index.0))
    }

    /// The retired door called `name`.
    #[must_use]
    pub fn retired_by_name(&self, name: &str) -> Option<DoorIndex> {
        let mut doors = (0..).map(DoorIndex).zip(&self.doors).skip(self.own_doors);
        doors.find(|(_, door)| door.name == name).map(|(index, _)| index)
    }

    /// The door called `name`, unless it is retired.
    #[must_use]
    pub fn door_by_name(&self, name: &str) -> Option<(DoorIndex, &Door)> {
        let found = self.door_by_id(&door::wire_id(name))?;
        (found.1.name == name).then_some(found)
    }

    /// The user with this id in tokens.
    #[must_use]
    pub fn user_by_id(&self, id: &UserId) -> Option<(UserIndex, &User)> {
        let (index, _) = *self.user_ids.get(id)?;
        Some((index, self.user(index)?))
    }

    /// How many credentials and rolling sequences have a share of the journal.
    #[must_use]
    pub fn remembered_count(&self) -> usize {
        let rolling =
            self.sequences.iter().filter(|each| matches!(each.steps, Steps::Rolling(_)));
        self.user_ids.len() + rolling.count()
    }

    /// The most bytes of memory that what a gate remembers takes.
    #[must_use]
    pub fn gate_size(&self) -> usize {
        let attempts = usize::try_from(self.limits.max_attempts).unwrap_or(usize::MAX);
        let tokens = self.remembered_count().saturating_mul(SHARE_SIZE);
        attempts.saturating_mul(ATTEMPT_SIZE).saturating_add(tokens)
    }

    /// The sequence at `index`.
    #[must_use]
    pub fn sequence(&self, index: SequenceIndex) -> Option<&Sequence> {
        self.sequences.get(usize::from(index.0))
    }

    /// The first unused line of a list that `is_wanted`.
    pub fn line(
        &self,
        index: SequenceIndex,
        is_wanted: impl Fn(&Line) -> bool,
    ) -> Option<&Line> {
        match &self.sequence(index)?.steps {
            Steps::OneTime(list) => list.lines.iter().find(|line| is_wanted(line)),
            Steps::Fixed(_) | Steps::Rolling(_) => None,
        }
    }

    /// The sequence called `name`.
    #[must_use]
    pub fn sequence_by_name(&self, name: &str) -> Option<SequenceIndex> {
        let mut sequences = (0..).zip(&self.sequences);
        let found = sequences.find(|(_, sequence)| sequence.name == name);
        found.map(|(index, _)| SequenceIndex(index))
    }

    /// The place of the credential with this id in tokens.
    #[must_use]
    pub fn credential_by_id(&self, id: &UserId) -> Option<(UserIndex, CredentialIndex)> {
        self.user_ids.get(id).copied()
    }

    /// The door with this id in tokens.
    #[must_use]
    pub fn door_by_id(&self, id: &DoorId) -> Option<(DoorIndex, &Door)> {
        let index = *self.door_ids.get(id)?;
        Some((index, self.door(index)?))
    }

    /// Whether some sequence opens `door`.
    #[must_use]
    pub fn has_sequence_to(&self, door: DoorIndex) -> bool {
        self.sequences.iter().any(|sequence| sequence.doors.contains(&door))
    }

    /// The user at `index`.
    #[must_use]
    pub fn user(&self, index: UserIndex) -> Option<&User> {
        self.users.get(usize::try_from(index.0).ok()?)
    }

    /// The door at `index`.
    #[must_use]
    pub fn door(&self, index: DoorIndex) -> Option<&Door> {
        self.doors.get(usize::from(index.0))
    }
}
