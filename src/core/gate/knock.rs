//! Judges packets as knocks of sequences.

use std::net::IpAddr;

use super::{FirstSeen, Gate, MAX_CLAIMS, Verdict};
use crate::core::claim::{Claim, Ground};
use crate::core::door;
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::rolling::Rolling;
use crate::core::sequence::{Attempts, Progress, Sequence, SequenceIndex, Steps};
use crate::core::sighting::{Port, Sighting};
use crate::core::time::{Now, Wall};

/// The steps that a sequence accepts now.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Its fixed steps.
    Fixed,
    /// The steps of the current period and of the one before, once computed.
    Rolling(Option<Turn>),
    /// The next line of its list, by place.
    Line(usize),
}

/// The steps of a rolling sequence in one period and in the one before.
#[derive(Debug)]
pub(super) struct Turn {
    period: u64,
    steps: [Vec<Port>; 2],
}

impl Awaited {
    /// What each sequence of the policy accepts at the start.
    pub(super) fn all(policy: &Policy) -> Vec<Self> {
        let awaited = |sequence: &Sequence| match sequence.steps {
            Steps::Fixed(_) => Self::Fixed,
            Steps::Rolling(_) => Self::Rolling(None),
            Steps::OneTime(_) => Self::Line(0),
        };
        policy.sequences.iter().map(awaited).collect()
    }
}

impl Turn {
    /// The steps at `wall`, which are computed once a period.
    fn at<'a>(turn: &'a mut Option<Self>, rolling: &Rolling, wall: Wall) -> &'a Self {
        let period = rolling.period_at(wall);
        let steps = || [period, period.saturating_sub(1)].map(|each| rolling.steps(each));
        let kept = turn.take().filter(|kept| kept.period == period);
        turn.insert(kept.unwrap_or_else(|| Self { period, steps: steps() }))
    }
}

/// A packet that may be a knock at one sequence.
struct Knock<'k> {
    index: SequenceIndex,
    sequence: &'k Sequence,
    source: IpAddr,
    sighting: &'k Sighting<'k>,
    now: Now,
}

impl Knock<'_> {
    /// Follows the packet through `steps`. Each `turn` of the sequence has an
    /// attempt of its own.
    fn follow(&self, attempts: &mut Attempts, turn: u64, steps: &[Port]) -> Result<(), Reason> {
        let Self { index, sequence, sighting, now, .. } = *self;
        let progress =
            attempts.observe((index, turn), sequence, steps, sighting, now.monotonic);
        match progress {
            Progress::Complete => Ok(()),
            Progress::Not(reason) => Err(reason),
        }
    }
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
            if !door::is_target(&sequence.targets, sighting.destination) {
                continue;
            }
            let knock = Knock { index: SequenceIndex(place), sequence, source, sighting, now };
            match self.follow(policy, &knock) {
                Ok(ground) => claims.extend(sequence.doors.iter().map(|door| Claim {
                    door: *door,
                    address: source,
                    ground,
                })),
                Err(other) => reason = reason.or_higher(other),
            }
        }
        claims.truncate(MAX_CLAIMS);
        if claims.is_empty() { reason.into() } else { Verdict::Open(claims) }
    }

    /// Awaits a line after the one at `offset`.
    pub(super) fn skip_lines(&mut self, index: SequenceIndex, offset: u32) {
        let steps = self.policy.sequence(index).map(|sequence| &sequence.steps);
        let awaited = self.awaited.get_mut(usize::from(index.0));
        if let (Some(Steps::OneTime(list)), Some(Awaited::Line(next))) = (steps, awaited) {
            *next = (*next).max(list.lines.partition_point(|line| line.offset <= offset));
        }
    }

    /// Follows a knock through its sequence. Returns the ground of the claims
    /// after the last step.
    fn follow(&mut self, policy: &Policy, knock: &Knock<'_>) -> Result<Ground, Reason> {
        let Self { attempts, awaited, .. } = self;
        let awaited = awaited.get_mut(usize::from(knock.index.0)).ok_or(Reason::Idle)?;
        match (&knock.sequence.steps, awaited) {
            (Steps::Fixed(steps), _) => {
                knock.follow(attempts, 0, steps)?;
                Ok(Ground::Fixed(knock.index))
            }
            (Steps::OneTime(list), Awaited::Line(next)) => {
                let line = list.lines.get(*next).ok_or(Reason::Idle)?;
                knock.follow(attempts, line.offset.into(), &line.steps)?;
                // Knocking it again opens nothing, even if the keeper refuses
                // the claim.
                *next += 1;
                Ok(Ground::Line(knock.index, line.offset))
            }
            (Steps::Rolling(rolling), Awaited::Rolling(turn)) => {
                let Turn { period, steps } = Turn::at(turn, rolling, knock.now.wall);
                let periods = [*period, period.saturating_sub(1)];
                let mut complete = Err(Reason::Idle);
                for (period, steps) in periods.into_iter().zip(steps) {
                    complete = match (knock.follow(attempts, period, steps), complete) {
                        (Ok(()), _) => Ok(period),
                        (Err(_), Ok(period)) => Ok(period),
                        (Err(one), Err(other)) => Err(other.or_higher(one)),
                    };
                }
                self.use_up_period(policy, rolling, complete?, knock)
            }
            (_, _) => Err(Reason::Idle),
        }
    }

    /// Records that a source knocked the sequence of a period. That counts once.
    fn use_up_period(
        &mut self,
        policy: &Policy,
        rolling: &Rolling,
        period: u64,
        knock: &Knock<'_>,
    ) -> Result<Ground, Reason> {
        if !self.replay.knows_since(rolling.begin(period), knock.now) {
            return Err(Reason::Uncertain);
        }
        let first = FirstSeen { interface: knock.sighting.interface, at: knock.now.monotonic };
        let token = rolling.token(period, knock.source, policy.max_skew());
        self.replay.record(rolling.id(), token, first, knock.now)?;
        Ok(Ground::Rolling(knock.index, period))
    }
}
