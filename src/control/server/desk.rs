//! What the server needs from the keeper.

use crate::control::answer::{self, Answer};
use crate::control::request::Order;
use crate::core::lease::LeaseKey;

/// An order that is answered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub(super) u64);

/// The reply to an order.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It succeeded, with a result that may be empty.
    Done(String),
    /// It failed, for a reason of one or more lines.
    Failed(String),
    /// [`Server::answer`](super::Server::answer) brings the reply.
    Later,
}

impl Reply {
    /// The answers to send, one for each line.
    pub(super) fn answers(self) -> Vec<Answer> {
        let text = match self {
            Self::Failed(text) => text,
            Self::Done(text) => return vec![Answer::Done(text)],
            Self::Later => return Vec::new(),
        };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap_or_default();
        let before = lines.into_iter().map(Answer::Line);
        before.chain([Answer::Failed(last)]).collect()
    }
}

impl From<Result<String, String>> for Reply {
    fn from(result: Result<String, String>) -> Self {
        match result {
            Ok(text) => Self::Done(text),
            Err(text) => Self::Failed(text),
        }
    }
}

/// The keeper, as the server sees it. No method may wait.
pub trait Desk {
    /// Executes `order`. A reply that takes time is given later, with `ticket`.
    fn order(&mut self, order: Order, ticket: Ticket) -> Reply;

    /// Returns the leases after `cursor` in the order of their keys: `at_most` of
    /// them, fewer only at the end.
    fn leases_after(&mut self, cursor: Option<LeaseKey>, at_most: usize) -> Vec<LeaseLine>;

    /// Returns every door.
    fn doors(&mut self) -> Vec<answer::DoorState>;

    /// Returns the counters. A name is a word, or a word and a label as in
    /// `refused.stale`; [`metrics`](crate::knockctl::metrics) lists the words. The
    /// server adds its own counters.
    fn stats(&mut self) -> Vec<(String, u64)>;

    /// Returns the health report: keys of [`KEYS`](crate::control::health::KEYS)
    /// and their values.
    fn health(&mut self) -> Vec<(String, String)>;
}

/// A lease with its key, by which leases are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseLine {
    /// The key, a cursor for the leases after it.
    pub key: LeaseKey,
    /// The lease.
    pub lease: answer::LeaseState,
}
