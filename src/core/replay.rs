//! Remembers the tokens that were accepted.
//!
//! Each user's tokens are remembered by an opaque id until they are stale. Each
//! user has a fixed share of the store, so no user fills it for another. A
//! forgotten token raises the barrier to its time of issue. Tokens issued at or
//! before the barrier are refused, so none is accepted again when the clock
//! steps back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reason::Reason;
use super::time::{Monotonic, Now, Wall};
use super::token::UserId;

/// The most tokens remembered for one user: two a second during the default
/// window of twice 30 s.
pub const SHARE: usize = 128;
/// The most bytes of memory that the tokens of one user take.
pub const SHARE_SIZE: usize = 10 << 10;
/// The most tokens that are remembered across a restart.
pub const MAX_CAPACITY: usize = 65_536;

/// A token as it is remembered, so that it opens nothing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayId {
    /// Unique per user; the salt of a native token.
    pub id: [u8; 16],
    /// When the token was made.
    pub issued: Wall,
    /// When it becomes stale and can be forgotten.
    pub expires: Wall,
    /// The counter of the security key that signed it; 0 if it has none.
    pub counter: u32,
}

/// A token that was honoured, for a store that did not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Honoured {
    /// The user, or what else it was recorded for.
    pub user: UserId,
    /// The token.
    pub token: ReplayId,
    /// When it was honoured.
    pub at: Monotonic,
}

#[derive(Debug)]
struct Seen<N> {
    token: ReplayId,
    note: N,
}

/// The tokens that were accepted, each with a note of type `N`.
#[derive(Debug)]
pub struct Replay<N> {
    users: BTreeMap<UserId, Vec<Seen<N>>>,
    /// The last counters of security keys.
    counters: BTreeMap<UserId, u32>,
    barrier: Wall,
    loss: Option<Loss>,
}

/// Which tokens are too old to be accepted, in a form that can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Barrier {
    /// Tokens issued at or before this may have been forgotten.
    pub forgotten: Wall,
    /// When a run began that did not know the tokens accepted before, and how
    /// far the times of tokens may be off.
    pub loss: Option<(Monotonic, Duration)>,
}

/// A start that did not know the tokens accepted before.
#[derive(Debug, Clone, Copy)]
struct Loss {
    started: Monotonic,
    max_skew: Duration,
}

impl Loss {
    /// The latest time of issue that a token used before the start can have, by
    /// the clock as it is now.
    fn barrier(self, now: Now) -> Wall {
        now.wall - now.monotonic.since(self.started) + self.max_skew
    }
}

impl<N> Replay<N> {
    /// An empty store that refuses everything issued at or before `barrier`.
    #[must_use]
    pub fn new(barrier: Wall) -> Self {
        Self::with_barrier(Barrier { forgotten: barrier, loss: None })
    }

    /// An empty store with the barrier of another store.
    #[must_use]
    pub fn with_barrier(barrier: Barrier) -> Self {
        let loss = barrier.loss.map(|(started, max_skew)| Loss { started, max_skew });
        Self {
            users: BTreeMap::new(),
            counters: BTreeMap::new(),
            barrier: barrier.forgotten,
            loss,
        }
    }

    /// An empty store of a run that began at `started` and does not know the
    /// tokens accepted before. It refuses all tokens that can have been used by
    /// then, by the clock at the start and by the clock as it is set later: a
    /// machine without a battery for its clock starts in the past.
    #[must_use]
    pub fn after_loss(started: Now, max_skew: Duration) -> Self {
        let loss = Loss { started: started.monotonic, max_skew };
        Self { loss: Some(loss), ..Self::new(loss.barrier(started)) }
    }

    /// The barrier, for another store.
    #[must_use]
    pub fn barrier_state(&self) -> Barrier {
        let loss = self.loss.map(|loss| (loss.started, loss.max_skew));
        Barrier { forgotten: self.barrier, loss }
    }

    /// Raises the barrier to `barrier`, if that is later.
    pub fn raise(&mut self, barrier: Wall) {
        self.barrier = self.barrier.max(barrier);
    }

    /// Allows the times of tokens to be off by up to `max_skew`.
    pub fn widen(&mut self, max_skew: Duration) {
        if let Some(loss) = &mut self.loss {
            loss.max_skew = loss.max_skew.max(max_skew);
        }
    }

    /// Remembers a token that an earlier run accepted.
    pub fn restore(&mut self, user: UserId, token: ReplayId, note: N) {
        self.users.entry(user).or_default().push(Seen { token, note });
    }

    /// Remembers the last counter of a security key.
    pub fn restore_counter(&mut self, user: UserId, counter: u32) {
        let last = self.counters.entry(user).or_default();
        *last = counter.max(*last);
    }

    /// The last counter of a security key; 0 if it never counted.
    #[must_use]
    pub fn counter(&self, user: &UserId) -> u32 {
        self.counters.get(user).copied().unwrap_or_default()
    }

    /// The time of issue up to which tokens are refused.
    #[must_use]
    pub fn barrier(&self, now: Now) -> Wall {
        self.loss.map_or(self.barrier, |loss| loss.barrier(now).max(self.barrier))
    }

    /// Whether a token issued then is known to be new if it is not remembered.
    #[must_use]
    pub fn is_certain(&self, issued: Wall, now: Now) -> bool {
        issued > self.barrier(now)
    }

    /// Whether every token used since `begin` is known.
    #[must_use]
    pub fn knows_since(&self, begin: Wall, now: Now) -> bool {
        self.loss.is_none_or(|loss| now.wall - now.monotonic.since(loss.started) <= begin)
    }

    /// The note made when `user` used the token `id`.
    #[must_use]
    pub fn seen(&self, user: &UserId, id: &[u8; 16]) -> Option<&N> {
        let used = self.users.get(user)?;
        used.iter().find(|seen| seen.token.id == *id).map(|seen| &seen.note)
    }

    /// The tokens that are not stale, with their users and notes.
    pub fn live(&self, now: Wall) -> impl Iterator<Item = (UserId, ReplayId, &N)> {
        let all =
            self.users.iter().flat_map(|(user, used)| used.iter().map(|seen| (*user, seen)));
        let live = all.filter(move |(_, seen)| seen.token.expires >= now);
        live.map(|(user, seen)| (user, seen.token, &seen.note))
    }

    /// Whether `user` has no room for another token issued at `issued`.
    ///
    /// Tokens with one time of issue take at most half of what others leave of the
    /// share. The openings of a period of a rolling sequence have one: whoever
    /// repeats it from forged addresses leaves room for the next period.
    #[must_use]
    pub fn is_full(&self, user: &UserId, issued: Wall, now: Now) -> bool {
        let used = self.users.get(user).map_or(&[][..], Vec::as_slice);
        let live = used.iter().filter(|seen| seen.token.expires >= now.wall);
        live.map(|seen| 1 + usize::from(seen.token.issued == issued)).sum::<usize>() >= SHARE
    }

    /// Remembers that `user` used `token`. Forgets the stale tokens of `user`.
    ///
    /// # Errors
    /// [`Reason::Uncertain`] at or before the barrier, [`Reason::Replayed`] for
    /// a used token, [`Reason::Full`] by [`Self::is_full`], [`Reason::Counter`]
    /// when the counter of the security key did not rise. The door must stay closed
    /// then. A token whose counter did not rise is remembered: its proof need not be
    /// checked again.
    pub fn record(
        &mut self,
        user: UserId,
        token: ReplayId,
        note: N,
        now: Now,
    ) -> Result<(), Reason> {
        if !self.is_certain(token.issued, now) {
            return Err(Reason::Uncertain);
        }
        if self.seen(&user, &token.id).is_some() {
            return Err(Reason::Replayed);
        }
        let is_full = self.is_full(&user, token.issued, now);
        let used = self.users.entry(user).or_default();
        let barrier = &mut self.barrier;
        used.retain(|seen| {
            let keep = seen.token.expires >= now.wall;
            if !keep {
                *barrier = (*barrier).max(seen.token.issued);
            }
            keep
        });
        if is_full {
            return Err(Reason::Full);
        }
        used.push(Seen { token, note });
        // A key that has counted must count every signature.
        let last = self.counters.get(&user).copied().unwrap_or_default();
        if last != 0 && token.counter <= last {
            return Err(Reason::Counter);
        }
        if token.counter != 0 {
            self.counters.insert(user, token.counter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserId = [1; 8];
    const BOB: UserId = [2; 8];

    fn at(millis: u64) -> Now {
        Now { wall: Wall::from_millis(millis), ..Now::default() }
    }

    fn token(id: u8, issued: u64) -> ReplayId {
        ReplayId {
            id: [id; 16],
            issued: Wall::from_millis(issued),
            expires: Wall::from_millis(issued + 30_000),
            counter: 0,
        }
    }

    #[test]
    fn a_token_is_honoured_once_and_another_users_same_id_is_another_token() {
        let mut replay = Replay::new(Wall::default());
        assert_eq!(replay.record(ALICE, token(1, 1_000), (), at(1_000)), Ok(()));
        assert_eq!(replay.record(ALICE, token(1, 1_000), (), at(1_000)), Err(Reason::Replayed));
        assert_eq!(replay.record(BOB, token(1, 1_000), (), at(1_000)), Ok(()));
    }

    #[test]
    fn one_user_cannot_use_up_the_share_of_another() {
        let mut replay = Replay::new(Wall::default());
        for id in 0..SHARE {
            let mut token = token(0, 1_000 + id as u64);
            token.id[..8].copy_from_slice(&(id as u64).to_be_bytes());
            assert_eq!(replay.record(ALICE, token, (), at(1_000)), Ok(()));
        }
        assert_eq!(replay.record(ALICE, token(255, 1_000), (), at(1_000)), Err(Reason::Full));
        let issued = Wall::from_millis(1_000);
        assert!(replay.is_full(&ALICE, issued, at(1_000)));
        assert!(!replay.is_full(&BOB, issued, at(1_000)));
        assert!(!replay.is_full(&ALICE, issued, at(40_000)), "they are stale then");
        assert_eq!(replay.record(BOB, token(255, 1_000), (), at(1_000)), Ok(()));
        assert_eq!(replay.record(ALICE, token(255, 40_000), (), at(40_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_steps_back_revives_nothing() {
        let mut replay = Replay::new(Wall::default());
        assert_eq!(replay.record(ALICE, token(1, 1_000), (), at(1_000)), Ok(()));
        assert_eq!(replay.record(ALICE, token(2, 90_000), (), at(90_000)), Ok(()));
        assert_eq!(replay.seen(&ALICE, &[1; 16]), None, "forgotten as stale");
        assert_eq!(
            replay.record(ALICE, token(1, 1_000), (), at(1_000)),
            Err(Reason::Uncertain)
        );
        assert!(!replay.is_certain(Wall::from_millis(1_000), at(1_000)));
        assert!(replay.is_certain(Wall::from_millis(1_001), at(1_000)));
    }

    #[test]
    fn after_a_loss_of_memory_nothing_old_is_believed() {
        let mut replay = Replay::after_loss(at(100_000), Duration::from_secs(30));
        assert_eq!(
            replay.record(ALICE, token(1, 130_000), (), at(100_000)),
            Err(Reason::Uncertain)
        );
        let later =
            Now { monotonic: Monotonic::default() + Duration::from_secs(31), ..at(131_000) };
        assert_eq!(replay.record(ALICE, token(1, 130_001), (), later), Ok(()));
    }

    #[test]
    fn a_clock_set_after_the_start_moves_what_is_believed_along() {
        let replay: Replay<()> = Replay::after_loss(at(100_000), Duration::from_secs(30));
        let monotonic = Monotonic::default() + Duration::from_secs(20);
        let ahead = Now { monotonic, ..at(900_000) };
        assert_eq!(replay.barrier(ahead), Wall::from_millis(910_000));
        let back = Now { monotonic, ..at(50_000) };
        assert_eq!(replay.barrier(back), Wall::from_millis(130_000));
    }
}
