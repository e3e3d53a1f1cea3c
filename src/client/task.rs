//! The order that a command line of `knock` gives.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::access::Wish;
use super::rolling::Course;
use super::send::Families;
use crate::core::sighting::Port;
use crate::keyfile::KeyKind;

/// What to do, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Task {
    /// What to do.
    pub action: Action,
    /// The address families to send over.
    pub families: Families,
    /// Print what is sent.
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
        /// The pause between two knocks.
        delay: Duration,
    },
    /// Send the knocks of a rolling sequence.
    Rolling {
        /// Name or address.
        host: String,
        /// The sequence.
        course: Course,
        /// The pause between two knocks.
        delay: Duration,
    },
    /// Add a server from an enrolment line.
    Enroll {
        /// The hosts file, if not the user's usual one.
        hosts: Option<PathBuf>,
        /// The user's key, if not the usual one.
        key: Option<PathBuf>,
        /// What to call the server.
        name: Option<String>,
    },
    /// Create a key file.
    Keygen {
        /// The kind of key.
        kind: KeyKind,
        /// The new file; `None` is the user's usual key file.
        file: Option<PathBuf>,
    },
}

/// A token to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// Entry of the hosts file.
    pub host: String,
    /// What to ask for.
    pub ask: Wish,
    /// The hosts file, if not the user's usual one.
    pub hosts: Option<PathBuf>,
    /// The address to ask for, instead of the one that the hosts file implies.
    pub named: Option<Named>,
    /// What to do after sending.
    pub then: Option<Then>,
}

/// An address that the user gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// This one.
    Address(IpAddr),
    /// The one that a command prints.
    Command(String),
}

/// A connection to the door.
#[derive(Debug, PartialEq, Eq)]
pub struct Then {
    /// Relay the connection, instead of closing it at once.
    pub relay: bool,
    /// The TCP port, instead of that of the hosts file.
    pub port: Option<NonZeroU16>,
    /// How long to try.
    pub timeout: Duration,
}
