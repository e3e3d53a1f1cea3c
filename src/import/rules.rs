//! What the packet filter needs for a door, as a proposal.

use super::change::{self, Change};
use crate::config;
use crate::core::name;
use crate::core::sighting::{Port, Protocol};

/// Which packet filter the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// pf, with the doors' tables in its main ruleset.
    Pf,
    /// pf on macOS, where they lie in an anchor.
    PfAnchor,
    /// nftables.
    Nft,
}

/// The addresses of which family are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Of each.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Whom the packet filter is to let in to what.
#[derive(Debug)]
pub struct Access {
    /// Those in this table.
    pub table: String,
    /// Where it lies, other than in the main ruleset.
    pub anchor: Option<String>,
    /// Whether the old daemon filled it, too.
    pub is_own: bool,
    /// Of which family.
    pub family: Family,
    /// Whether protocol and ports are known; else they are to be found out.
    pub is_known: bool,
    /// Whether the old rules may let in to less than this.
    pub is_doubtful: bool,
    /// Over which protocol; any if there are no ports either.
    pub protocol: Option<Protocol>,
    /// To which ports, as [`change::Change::ports`]; none for all.
    pub ports: Vec<String>,
    /// Whether the old rule sent packets elsewhere.
    pub translates: bool,
    /// Whether the old daemon let in to more than this can say.
    pub is_partial: bool,
}

impl Filter {
    /// The filter of this system.
    pub const NATIVE: Self = if cfg!(target_os = "linux") {
        Self::Nft
    } else if cfg!(target_os = "macos") {
        Self::PfAnchor
    } else {
        Self::Pf
    };

    /// Where its rules stand.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::Pf => "pf.conf",
            Self::PfAnchor => "/usr/local/etc/knockd.pf",
            Self::Nft => "table inet knockd",
        }
    }

    /// Where tables lie, other than in the main ruleset.
    #[must_use]
    pub fn anchor(self) -> Option<String> {
        (self == Self::PfAnchor).then(|| "org.knockd".into())
    }

    /// The table that a command fills already, if one of ours can be called
    /// so and lie there.
    #[must_use]
    pub fn own_table(self, change: &Change) -> Option<&str> {
        let name = change.table.as_deref()?;
        let fits = change
            .anchor
            .as_deref()
            .is_none_or(|anchor| self != Self::Nft && config::anchor_fault(anchor).is_none());
        let begins = self != Self::Nft || name.starts_with(|c: char| c.is_ascii_alphabetic());
        (fits && begins && name::is_table(name) && name != "keep").then_some(name)
    }

    /// The lines that the packet filter needs to let in who knocked at
    /// `interface`.
    #[must_use]
    pub fn rules(self, access: &Access, interface: Option<&str>) -> Vec<String> {
        match self {
            Self::Pf | Self::PfAnchor => access.pf(interface.unwrap_or("egress")),
            Self::Nft => access.nft(),
        }
    }
}

impl Access {
    /// What `changes`, each of which lets in, are together, for a door called
    /// `name`. The first of them leads.
    #[must_use]
    pub fn of(changes: &[&Change], name: &str, family: Family, filter: Filter) -> Self {
        let first = changes.first().copied();
        let own = first.and_then(|change| filter.own_table(change));
        let mut access = Self {
            table: own.map_or_else(|| format!("knock_{name}"), Into::into),
            anchor: match own {
                Some(_) => first.and_then(|change| change.anchor.clone()),
                None => filter.anchor(),
            },
            is_own: own.is_some(),
            family,
            // That a table takes the address says nothing of ports, and a rule
            // that is not understood does not let in to all of them.
            is_known: first.is_some_and(|change| {
                change.table.is_none() && (change.is_whole || !change.ports.is_empty())
            }),
            is_doubtful: changes
                .iter()
                .any(|change| change.table.is_none() && !change.is_whole),
            protocol: first.and_then(|change| change.protocol),
            ports: Vec::new(),
            translates: changes.iter().any(|change| change.translates),
            is_partial: false,
        };
        let is_every = first.is_some_and(|change| change.ports.is_empty());
        for change in changes {
            let is_like_it = change.protocol == access.protocol
                && Some(&change.table) == first.map(|first| &first.table)
                && change.ports.is_empty() == is_every;
            access.is_partial |= !is_like_it;
            for port in change.ports.iter().filter(|_| is_like_it) {
                if access.ports.len() < change::MAX_PORTS && !access.ports.contains(port) {
                    access.ports.push(port.clone());
                }
            }
        }
        access
    }

    /// For the door's field `ports`; those that are numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<Port> {
        let protocol = self.protocol.unwrap_or(Protocol::Tcp);
        let numbers = self.ports.iter().filter_map(|port| change::number(port));
        let mut found: Vec<Port> = Vec::new();
        for port in numbers.map(|number| Port { protocol, number }) {
            if !found.contains(&port) {
                found.push(port);
            }
        }
        found
    }

    fn protocol(&self) -> &'static str {
        match self.protocol {
            Some(Protocol::Udp) => "udp",
            _ => "tcp",
        }
    }

    /// Whether packets to every port over every protocol are let in.
    fn is_everything(&self) -> bool {
        self.is_known && self.protocol.is_none() && self.ports.is_empty()
    }

    fn pf(&self, interface: &str) -> Vec<String> {
        let table = &self.table;
        let family = match self.family {
            Family::Both => "",
            Family::V4 => " inet",
            Family::V6 => " inet6",
        };
        let protocol = match self.is_everything() {
            true => String::new(),
            false => format!(" proto {}", self.protocol()),
        };
        let to = match &self.ports[..] {
            [] if self.is_known => String::new(),
            [] => " to port PORT".into(),
            [port] => format!(" to port {port}"),
            ports => format!(" to port {{ {} }}", ports.join(" ")),
        };
        vec![
            format!("table <{table}> persist"),
            format!("pass in on {interface}{family}{protocol} from <{table}>{to}"),
        ]
    }

    fn nft(&self) -> Vec<String> {
        let table = &self.table;
        let protocol = self.protocol();
        // A range has a dash there.
        let ports: Vec<_> = self.ports.iter().map(|port| port.replace(':', "-")).collect();
        let what = match &ports[..] {
            [] if self.is_everything() => String::new(),
            [] if self.is_known => format!(" meta l4proto {protocol}"),
            [] => format!(" {protocol} dport PORT"),
            [port] => format!(" {protocol} dport {port}"),
            ports => format!(" {protocol} dport {{ {} }}", ports.join(", ")),
        };
        let mut lines = vec![
            format!("set {table}_v4 {{ type ipv4_addr; }}"),
            format!("set {table}_v6 {{ type ipv6_addr; }}"),
        ];
        if self.family != Family::V6 {
            lines.push(format!("ip saddr @{table}_v4{what} accept"));
        }
        if self.family != Family::V4 {
            lines.push(format!("ip6 saddr @{table}_v6{what} accept"));
        }
        lines
    }
}
