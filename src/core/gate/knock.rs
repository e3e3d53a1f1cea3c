//! What knocks come to.

use std::net::IpAddr;

use super::{Claim, FirstSeen, Gate, MAX_CLAIMS, Verdict};
use crate::core::door::{self, DoorIndex};
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::replay::ReplayId;
use crate::core::rolling::Rolling;
use crate::core::sequence::{Attempts, Progress, Sequence};
use crate::core::sighting::{Port, Sighting};
use crate::core::time::{Now, Wall};

/// Attempts at the sequences of so many periods in a row have places of their
/// own, so that none goes on with the steps of another period.
const PLACES: u16 = 4;

/// A rolling sequence, and its steps at this time.
#[derive(Debug)]
pub(super) struct Turn {
    /// Where it stands in the policy.
    sequence: u16,
    /// Where its attempts begin, behind those of all sequences.
    places: u16,
    /// The period of the first; the other's is the one before.
    period: Option<u64>,
    steps: [Sequence; 2],
}

impl Turn {
    /// Those of the policy.
    pub(super) fn all(policy: &Policy) -> Vec<Self> {
        let sequences = (0..).zip(&policy.sequences);
        let rolling = sequences.filter(|(_, sequence)| sequence.rolling().is_some());
        let behind = u16::try_from(policy.sequences.len()).unwrap_or(u16::MAX);
        (behind..)
            .step_by(PLACES.into())
            .zip(rolling)
            .map(|(places, (place, sequence))| {
                let nothing = sequence.fixed(Vec::new());
                let steps = [nothing.clone(), nothing];
                Self { sequence: place, places, period: None, steps }
            })
            .collect()
    }

    /// Takes the steps of the time, and the period that it is.
    fn follow(&mut self, sequence: &Sequence, rolling: &Rolling, wall: Wall) -> u64 {
        let period = rolling.period_at(wall);
        if self.period != Some(period) {
            self.period = Some(period);
            let of = |period| sequence.fixed(rolling.steps(period));
            self.steps = [of(period), of(period.saturating_sub(1))];
        }
        period
    }

    fn place(&self, period: u64) -> u16 {
        let [.., low] = period.to_be_bytes();
        self.places.saturating_add(u16::from(low) % PLACES)
    }
}

/// A list of sequences, of which one is awaited.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where it stands in the policy.
    sequence: u16,
    /// Where its attempts begin, behind those of rolling sequences.
    places: u16,
    /// The line that is awaited.
    next: usize,
    steps: Sequence,
}

impl Listed {
    /// Those of the policy.
    pub(super) fn all(policy: &Policy) -> Vec<Self> {
        let sequences = (0..).zip(&policy.sequences);
        let listed = sequences.filter(|(_, sequence)| sequence.one_time().is_some());
        let turns = policy.sequences.iter().filter(|each| each.rolling().is_some()).count();
        let behind = policy.sequences.len() + turns * usize::from(PLACES);
        (u16::try_from(behind).unwrap_or(u16::MAX)..)
            .step_by(PLACES.into())
            .zip(listed)
            .map(|(places, (place, sequence))| {
                let steps = sequence.fixed(Vec::new());
                let mut listed = Self { sequence: place, places, next: 0, steps };
                listed.steps.steps = listed.awaited(sequence).unwrap_or_default();
                listed
            })
            .collect()
    }

    fn awaited(&self, sequence: &Sequence) -> Option<Vec<Port>> {
        let line = sequence.one_time()?.lines.get(self.next)?;
        Some(line.steps.clone())
    }

    /// Follows a knock through the awaited line. Where the line stands, if
    /// that was its last step; it is not awaited any more then, whatever
    /// becomes of it.
    fn observe(
        &mut self,
        sequence: &Sequence,
        attempts: &mut Attempts,
        sighting: &Sighting<'_>,
        now: Now,
    ) -> Result<u32, Reason> {
        let line = sequence.one_time().and_then(|list| list.lines.get(self.next));
        let offset = line.ok_or(Reason::Idle)?.offset;
        let turn = u16::try_from(self.next % usize::from(PLACES)).unwrap_or_default();
        let place = self.places.saturating_add(turn);
        match attempts.observe(place, &self.steps, sighting, now.monotonic) {
            Progress::Not(reason) => Err(reason),
            Progress::Complete => {
                self.next += 1;
                self.steps.steps = self.awaited(sequence).unwrap_or_default();
                Ok(offset)
            }
        }
    }
}

/// A knock by which one of the doors of a rolling sequence may open.
struct Knock<'k> {
    place: u16,
    rolling: &'k Rolling,
    period: u64,
    source: IpAddr,
    interface: u32,
}

impl Gate {
    pub(super) fn judge_knock(
        &mut self,
        policy: &Policy,
        source: IpAddr,
        sighting: &Sighting<'_>,
        now: Now,
    ) -> Verdict {
        let mut claims = Vec::new();
        let mut reason = Reason::Idle;
        for (place, sequence) in (0..).zip(&policy.sequences) {
            let is_for = door::is_target(&sequence.targets, sighting.destination);
            if sequence.changing.is_some() || !is_for {
                continue;
            }
            match self.attempts.observe(place, sequence, sighting, now.monotonic) {
                Progress::Complete => claims.extend(sequence.doors.iter().map(|door| Claim {
                    door: *door,
                    address: source,
                    lifetime: None,
                    user: None,
                    credential: 0,
                    sequence: None,
                    replay: None,
                })),
                Progress::Not(other) => reason = reason.or_higher(other),
            }
        }
        for number in 0..self.turns.len() {
            match self.judge_turn(policy, number, source, sighting, now) {
                Ok(opened) => claims.extend(opened),
                Err(other) => reason = reason.or_higher(other),
            }
        }
        for listed in &mut self.lists {
            let Some(sequence) = policy.sequence(listed.sequence) else { continue };
            if !door::is_target(&sequence.targets, sighting.destination) {
                continue;
            }
            match listed.observe(sequence, &mut self.attempts, sighting, now) {
                Err(other) => reason = reason.or_higher(other),
                Ok(offset) => claims.extend(sequence.doors.iter().map(|door| Claim {
                    door: *door,
                    address: source,
                    lifetime: None,
                    user: None,
                    credential: 0,
                    sequence: Some(listed.sequence),
                    replay: Some(ReplayId {
                        id: [0; 16],
                        issued: now.wall,
                        expires: now.wall,
                        counter: offset,
                    }),
                })),
            }
        }
        claims.truncate(MAX_CLAIMS);
        if claims.is_empty() { reason.into() } else { Verdict::Open(claims) }
    }

    /// Follows a knock through the sequences of this period and the one
    /// before.
    fn judge_turn(
        &mut self,
        policy: &Policy,
        number: usize,
        source: IpAddr,
        sighting: &Sighting<'_>,
        now: Now,
    ) -> Result<Vec<Claim>, Reason> {
        let turn = self.turns.get_mut(number).ok_or(Reason::Idle)?;
        let place = turn.sequence;
        let sequence = policy.sequence(place).ok_or(Reason::Idle)?;
        let rolling = sequence.rolling().ok_or(Reason::Idle)?;
        if !door::is_target(&sequence.targets, sighting.destination) {
            return Err(Reason::Idle);
        }
        let current = turn.follow(sequence, rolling, now.wall);
        let mut reason = Reason::Idle;
        let mut complete = None;
        for (steps, period) in turn.steps.iter().zip([current, current.saturating_sub(1)]) {
            let places = turn.place(period);
            match self.attempts.observe(places, steps, sighting, now.monotonic) {
                Progress::Complete => complete = Some(period),
                Progress::Not(other) => reason = reason.or_higher(other),
            }
        }
        let period = complete.ok_or(reason)?;
        let interface = sighting.interface;
        self.open_rolling(policy, &Knock { place, rolling, period, source, interface }, now)
    }

    /// The doors that open, each once per source and period.
    fn open_rolling(
        &mut self,
        policy: &Policy,
        knock: &Knock<'_>,
        now: Now,
    ) -> Result<Vec<Claim>, Reason> {
        let &Knock { place, rolling, period, source, interface } = knock;
        if !self.replay.knows_since(rolling.begin(period), now) {
            return Err(Reason::Uncertain);
        }
        let doors = policy.sequence(place).map_or(&[][..], |sequence| &sequence.doors);
        let first = FirstSeen { interface, at: now.monotonic };
        let token = rolling.token(period, source, policy.max_skew());
        self.replay.record(rolling.id(), token, first, now)?;
        let claim = |door: &DoorIndex| Claim {
            door: *door,
            address: source,
            lifetime: None,
            user: None,
            credential: 0,
            sequence: Some(place),
            replay: Some(token),
        };
        Ok(doors.iter().map(claim).collect())
    }
}
