//! Whom the server asks and orders.

use crate::control::answer::{self, Answer};
use crate::control::request::Order;
use crate::core::lease::LeaseKey;

/// A request whose answer is to come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub(super) u64);

/// What became of an order.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is carried out; there may be something to say about it.
    Done(String),
    /// It is not; in one or more lines, why.
    Failed(String),
    /// [`Server::answer`](super::Server::answer) will tell.
    Later,
}

impl Reply {
    /// What is said: a line each, the last of which ends it.
    pub(super) fn answers(self) -> Vec<Answer> {
        let text = match self {
            Self::Failed(text) => text,
            Self::Done(text) => return vec![Answer::Done { text }],
            Self::Later => return Vec::new(),
        };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap_or_default();
        let before = lines.into_iter().map(|text| Answer::Line { text });
        before.chain([Answer::Failed { text: last }]).collect()
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

/// The keeper, as the server sees it. Nothing here may wait.
pub trait Desk {
    /// Carries out `order`. If the answer takes time, it goes to whoever holds
    /// `ticket`.
    fn order(&mut self, order: Order, ticket: Ticket) -> Reply;

    /// The leases behind `cursor` in the order of their keys, `at_most` so
    /// many: less only when there are no more.
    fn leases_after(&mut self, cursor: Option<LeaseKey>, at_most: usize) -> Vec<LeaseLine>;

    /// Every door.
    fn doors(&mut self) -> Vec<answer::DoorState>;

    /// The counters, by name: a word, or a word, a dot and what it is counted
    /// for, as `refused.stale`. [`metrics`](crate::knockctl::metrics) has those
    /// that are known; the server adds its own.
    fn stats(&mut self) -> Vec<(String, u64)>;

    /// What doctor wants to know: keys, which may come more than once, and
    /// what is so.
    fn health(&mut self) -> Vec<(String, String)>;
}

/// A lease, and where it stands among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseLine {
    /// The cursor behind it.
    pub key: LeaseKey,
    /// What is told of it.
    pub lease: answer::LeaseState,
}
