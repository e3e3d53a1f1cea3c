//! Rules of nftables, in a table of our own.
#![forbid(unsafe_code)]

use super::BACKEND;
use crate::core::address::Family;
use crate::firewall::{Dialect, Pass};

/// On Linux.
pub static DIALECT: Dialect = Dialect {
    backend: &BACKEND,
    default: Err("this system has no pf, write firewall: Nft(table: ..) or Memory"),
    fields: &[(
        "The nftables table that has the sets named at the doors.",
        "firewall: Nft(table: \"knockd\"),",
    )],
    anchor: None,
    shares_tables: false,
    place: "table inet knockd",
    note: "",
    steps: &[
        "save it as FILE and test it: nft -c -f FILE",
        "schedule its removal: echo 'nft delete table inet knockd' | at now + 10 minutes",
        "load it: nft -f FILE; open connections continue",
    ],
    hide,
    pass,
};

fn hide(table: &str, port: u16, token_port: u16) -> String {
    format!(
        "table inet knockd {{
	set {table}_v4 {{ type ipv4_addr; }}
	set {table}_v6 {{ type ipv6_addr; }}

	chain input {{
		type filter hook input priority filter; policy accept;
		iif lo accept
		ct state established,related accept
		ip saddr @{table}_v4 tcp dport {port} accept
		ip6 saddr @{table}_v6 tcp dport {port} accept
		tcp dport {port} drop
		udp dport {token_port} drop
	}}
}}
"
    )
}

fn pass(pass: &Pass<'_>) -> Vec<String> {
    let table = pass.table;
    // A range has a dash there.
    let ports: Option<Vec<_>> =
        pass.ports.map(|ports| ports.iter().map(|port| port.replace(':', "-")).collect());
    let protocol = pass.protocol().unwrap_or("tcp");
    let what = match ports.as_deref() {
        Some([]) if pass.protocol.is_none() => String::new(),
        Some([]) => format!(" meta l4proto {protocol}"),
        None => format!(" {protocol} dport PORT"),
        Some([port]) => format!(" {protocol} dport {port}"),
        Some(ports) => format!(" {protocol} dport {{ {} }}", ports.join(", ")),
    };
    let mut lines = vec![
        format!("set {table}_v4 {{ type ipv4_addr; }}"),
        format!("set {table}_v6 {{ type ipv6_addr; }}"),
    ];
    if pass.family != Some(Family::V6) {
        lines.push(format!("ip saddr @{table}_v4{what} accept"));
    }
    if pass.family != Some(Family::V4) {
        lines.push(format!("ip6 saddr @{table}_v6{what} accept"));
    }
    lines
}
