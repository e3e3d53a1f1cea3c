//! What was already honoured.
//!
//! Tokens are remembered by an opaque id, per user, until they are stale
//! anyway. A user has a fixed share of the store, so nobody fills it for
//! another. What was forgotten leaves a barrier behind: nothing issued at or
//! before it is ever believed again, so a clock that steps back revives
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reason::Reason;
use super::time::{Now, Wall};
use super::user::UserIndex;

/// How many unexpired tokens one user may have used: two a second through
/// the default window of twice 30 s.
pub const SHARE: usize = 128;

/// What a token is remembered by, so that it opens nothing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayId {
    /// Unique per user; the salt of a native token.
    pub id: [u8; 16],
    /// When the token was made.
    pub issued: Wall,
    /// From when on it is refused as stale, and need not be remembered.
    pub expires: Wall,
}

#[derive(Debug)]
struct Seen<N> {
    token: ReplayId,
    note: N,
}

/// The tokens that were honoured, each with a note of type `N`.
#[derive(Debug)]
pub struct Replay<N> {
    users: BTreeMap<UserIndex, Vec<Seen<N>>>,
    barrier: Wall,
}

impl<N> Replay<N> {
    /// An empty store that refuses everything issued at or before `barrier`.
    ///
    /// A store that follows a loss of memory starts at
    /// [`barrier_after_loss`].
    #[must_use]
    pub fn new(barrier: Wall) -> Self {
        Self { users: BTreeMap::new(), barrier }
    }

    /// The time of issue up to which nothing is believed.
    #[must_use]
    pub fn barrier(&self) -> Wall {
        self.barrier
    }

    /// Whether a token issued then can be told from one that was used.
    #[must_use]
    pub fn is_certain(&self, issued: Wall) -> bool {
        issued > self.barrier
    }

    /// The note made when `user` used the token `id`.
    #[must_use]
    pub fn seen(&self, user: UserIndex, id: &[u8; 16]) -> Option<&N> {
        let used = self.users.get(&user)?;
        used.iter().find(|seen| seen.token.id == *id).map(|seen| &seen.note)
    }

    /// Remembers that `user` used `token`. Forgets that user's tokens that
    /// are stale by now.
    ///
    /// # Errors
    /// [`Reason::Uncertain`] at or before the barrier, [`Reason::Replayed`]
    /// when it was used before, [`Reason::Full`] when the user's share is
    /// used up. Nothing is remembered then, and the door must stay shut.
    pub fn record(
        &mut self,
        user: UserIndex,
        token: ReplayId,
        note: N,
        now: Now,
    ) -> Result<(), Reason> {
        if !self.is_certain(token.issued) {
            return Err(Reason::Uncertain);
        }
        let used = self.users.entry(user).or_default();
        if used.iter().any(|seen| seen.token.id == token.id) {
            return Err(Reason::Replayed);
        }
        let barrier = &mut self.barrier;
        used.retain(|seen| {
            let keep = seen.token.expires >= now.wall;
            if !keep {
                *barrier = (*barrier).max(seen.token.issued);
            }
            keep
        });
        if used.len() >= SHARE {
            return Err(Reason::Full);
        }
        used.push(Seen { token, note });
        Ok(())
    }
}

/// The barrier for a run that does not know what the one before honoured:
/// the latest time of issue that a token used before `started` can bear.
#[must_use]
pub fn barrier_after_loss(started: Wall, max_skew: Duration) -> Wall {
    started + max_skew
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserIndex = UserIndex(0);
    const BOB: UserIndex = UserIndex(1);

    fn at(millis: u64) -> Now {
        Now { wall: Wall::from_millis(millis), ..Now::default() }
    }

    fn token(id: u8, issued: u64) -> ReplayId {
        ReplayId {
            id: [id; 16],
            issued: Wall::from_millis(issued),
            expires: Wall::from_millis(issued + 30_000),
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
            let mut token = token(0, 1_000);
            token.id[..8].copy_from_slice(&(id as u64).to_be_bytes());
            assert_eq!(replay.record(ALICE, token, (), at(1_000)), Ok(()));
        }
        assert_eq!(replay.record(ALICE, token(255, 1_000), (), at(1_000)), Err(Reason::Full));
        assert_eq!(replay.record(BOB, token(255, 1_000), (), at(1_000)), Ok(()));
        assert_eq!(replay.record(ALICE, token(255, 40_000), (), at(40_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_steps_back_revives_nothing() {
        let mut replay = Replay::new(Wall::default());
        assert_eq!(replay.record(ALICE, token(1, 1_000), (), at(1_000)), Ok(()));
        assert_eq!(replay.record(ALICE, token(2, 90_000), (), at(90_000)), Ok(()));
        assert_eq!(replay.seen(ALICE, &[1; 16]), None, "forgotten as stale");
        assert_eq!(
            replay.record(ALICE, token(1, 1_000), (), at(1_000)),
            Err(Reason::Uncertain)
        );
        assert!(!replay.is_certain(Wall::from_millis(1_000)));
        assert!(replay.is_certain(Wall::from_millis(1_001)));
    }

    #[test]
    fn after_a_loss_of_memory_nothing_old_is_believed() {
        let barrier = barrier_after_loss(Wall::from_millis(100_000), Duration::from_secs(30));
        let mut replay = Replay::new(barrier);
        assert_eq!(
            replay.record(ALICE, token(1, 130_000), (), at(100_000)),
            Err(Reason::Uncertain)
        );
        assert_eq!(replay.record(ALICE, token(1, 130_001), (), at(130_001)), Ok(()));
    }
}
