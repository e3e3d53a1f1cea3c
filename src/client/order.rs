//! What `knock` is to do.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::rolling::Course;
use super::send::Families;
use super::token::Ask;
use crate::core::sighting::Port;
use crate::keyfile::Kind;

/// What to do, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub action: Action,
    /// Over which families.
    pub families: Families,
    /// Whether to say what is done.
    pub verbose: bool,
}

/// What `knock` does.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a token.
    Token(Token),
    /// Send a knock sequence.
    Sequence {
        /// Name or address.
        host: String,
        /// 1 to [`MAX_STEPS`](crate::core::sequence::MAX_STEPS) knocks.
        knocks: Vec<Port>,
        /// How long to wait between two of them.
        delay: Duration,
    },
    /// Send the knocks of a rolling sequence.
    Rolling {
        /// Name or address.
        host: String,
        /// Which sequence.
        course: Course,
        /// How long to wait between two of them.
        delay: Duration,
    },
    /// Take up a server by the line that it gives.
    Enroll {
        /// The hosts file, if not the user's usual one.
        hosts: Option<PathBuf>,
        /// The user's key, if not the usual one.
        key: Option<PathBuf>,
        /// What to call the server.
        name: Option<String>,
    },
    /// Make a key file.
    Keygen {
        /// Of which kind.
        kind: Kind,
        /// Where; `None` is the user's usual key file.
        file: Option<PathBuf>,
    },
}

/// A token to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// Entry of the hosts file.
    pub host: String,
    /// What to ask for.
    pub ask: Ask,
    /// The hosts file, if not the user's usual one.
    pub hosts: Option<PathBuf>,
    /// For which address, if not as the hosts file says.
    pub named: Option<Named>,
    /// What comes after it; nothing, mostly.
    pub then: Option<Then>,
}

/// An address that the user knows better.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// This one.
    Address(IpAddr),
    /// The one that a command prints.
    Command(String),
}

/// To connect to the door.
#[derive(Debug, PartialEq, Eq)]
pub struct Then {
    /// Whether to relay the connection, or only to see that it can be made.
    pub relay: bool,
    /// The TCP port, if not as the hosts file says.
    pub port: Option<NonZeroU16>,
    /// For how long to try.
    pub timeout: Duration,
}
