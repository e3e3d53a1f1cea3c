//! How often an engine may ask. The gate keeps these bounds by itself; an
//! engine in foreign hands would not.

use std::time::Duration;

use crate::core::gate::PROOF_BURST;
use crate::core::policy::Policy;
use crate::core::rate::Rate;
use crate::core::reason::Reason;
use crate::core::time::Monotonic;
use crate::core::user::UserIndex;

/// Grants per user: so many at once, and then as many a second as the gate
/// checks proofs of it. Twice what the gate lets through, for claims that
/// queued up on their way.
pub const USER_BURST: u32 = 2 * PROOF_BURST;
/// Grants for sequences: so many at once, and one more each
/// [`SEQUENCE_INTERVAL`].
pub const SEQUENCE_BURST: u32 = 1024;
/// See [`SEQUENCE_BURST`].
pub const SEQUENCE_INTERVAL: Duration = Duration::from_millis(1);

/// What is left to every user, and to sequences together.
#[derive(Debug)]
pub struct Rates {
    users: Vec<Rate>,
    sequences: Rate,
}

impl Rates {
    /// Everything is left, to all users of `policy`.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let users = policy.users.iter();
        Self {
            users: users
                .map(|user| Rate::per_second(USER_BURST, user.proofs_per_second))
                .collect(),
            sequences: Rate::new(SEQUENCE_BURST, SEQUENCE_INTERVAL),
        }
    }

    /// Takes one grant.
    ///
    /// # Errors
    /// [`Reason::Throttled`].
    pub fn admit(&mut self, user: Option<UserIndex>, now: Monotonic) -> Result<(), Reason> {
        let rate = match user {
            Some(UserIndex(index)) => {
                usize::try_from(index).ok().and_then(|index| self.users.get_mut(index))
            }
            None => Some(&mut self.sequences),
        };
        let is_left = rate.is_some_and(|rate| rate.admit(now));
        if is_left { Ok(()) } else { Err(Reason::Throttled) }
    }
}
