//! How a firewall's rules are written on a system, for people to take over.
#![forbid(unsafe_code)]

use super::{Backend, Choice};
use crate::core::address::Family;
use crate::core::sighting::Protocol;

/// A firewall on a system.
#[derive(Debug)]
pub struct Dialect {
    /// What it can do.
    pub backend: &'static Backend,
    /// It, unless the configuration chooses; or why the configuration must.
    pub default: Result<Choice, &'static str>,
    /// Fields of a configuration, each after its comment if it needs one.
    pub fields: &'static [(&'static str, &'static str)],
    /// The anchor that our tables lie in, if not in the main ruleset.
    pub anchor: Option<&'static str>,
    /// Whether rules of others may refer to a table of ours.
    pub shares_tables: bool,
    /// Where rules are written.
    pub place: &'static str,
    /// What to mind in rules that are proposed.
    pub note: &'static str,
    /// How to load rules over a connection that must live.
    pub steps: &'static [&'static str],
    /// Hides a TCP port from all but the addresses in a table, and the UDP
    /// port of tokens from all.
    pub hide: fn(table: &str, port: u16, token_port: u16) -> String,
    /// Lets packets pass, a line each.
    pub pass: fn(&Pass<'_>) -> Vec<String>,
}

/// Which packets pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Those from an address in this table.
    pub table: &'a str,
    /// Those that come in through this interface; any if the firewall likes.
    pub interface: Option<&'a str>,
    /// Those of this family; both if none.
    pub family: Option<Family>,
    /// Those of this protocol; all if none.
    pub protocol: Option<Protocol>,
    /// Those to these ports, as pf.conf(5) writes them: numbers, ranges with a
    /// colon and names. None at all means every port; `None`, that they are to
    /// be filled in.
    pub ports: Option<&'a [String]>,
}

impl Pass<'_> {
    /// The protocol's name in rules.
    #[must_use]
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol.map(|protocol| match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}
