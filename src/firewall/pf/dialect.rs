//! Rules of pf: in pf.conf, or on macOS in an anchor of our own.
#![forbid(unsafe_code)]

use super::BACKEND;
use crate::core::address::Family;
use crate::firewall::{Choice, Dialect, Pass};

/// The anchor on macOS, where pf.conf is Apple's. Its rules are the
/// administrator's.
pub const ANCHOR: &str = "org.knockd";

/// On OpenBSD.
pub static OPENBSD: Dialect = Dialect {
    backend: &BACKEND,
    default: Ok(Choice::Pf),
    fields: &[("", "firewall: Pf,")],
    anchor: None,
    shares_tables: true,
    place: "pf.conf",
    note: "egress in them is a group of OpenBSD; elsewhere write the interface.",
    steps: &[TEST, UNDO, LOAD],
    hide,
    pass,
};

/// On FreeBSD.
pub static FREEBSD: Dialect = Dialect {
    // Without a state a connection ends with the first ruleset that blocks.
    steps: &[
        "if pfctl -si does not print Enabled: kldload -n pf; echo 'pass flags any keep state \
         (sloppy)' | pfctl -ef - then type something in every session that must survive",
        TEST,
        UNDO,
        LOAD,
    ],
    default: Ok(Choice::Pf),
    ..OPENBSD
};

/// On macOS.
pub static MACOS: Dialect = Dialect {
    default: Ok(Choice::Pf),
    fields: &[
        ("", "firewall: Pf,"),
        ("macOS keeps pf disabled until a program asks for it.", "enable_pf: true,"),
    ],
    anchor: Some(ANCHOR),
    place: "/usr/local/etc/knockd.pf",
    steps: &[
        "save it as /usr/local/etc/knockd.pf and test it: pfctl -a org.knockd -nf FILE",
        // at(1) is disabled there by default.
        "schedule its removal: nohup sh -c 'sleep 600; pfctl -a org.knockd -F all' &",
        "load it: pfctl -a org.knockd -f FILE; connections from before pf was enabled end, so \
         keep the console at hand",
    ],
    ..OPENBSD
};

const TEST: &str =
    "add it to a copy of pf.conf after other block rules, and test it: pfctl -nf COPY";
const UNDO: &str =
    "schedule its removal: echo 'pfctl -f /etc/pf.conf || pfctl -d' | at now + 10 minutes";
const LOAD: &str = "load it: pfctl -f COPY; connections with a state continue";

fn hide(table: &str, port: u16, token_port: u16) -> String {
    format!(
        "table <{table}> persist
block drop in quick proto udp to port {token_port}
block drop in proto tcp to port {port}
pass in proto tcp from <{table}> to port {port}
"
    )
}

fn pass(pass: &Pass<'_>) -> Vec<String> {
    let (table, interface) = (pass.table, pass.interface.unwrap_or("egress"));
    let family = match pass.family {
        None => "",
        Some(Family::V4) => " inet",
        Some(Family::V6) => " inet6",
    };
    let protocol = pass.protocol().map(|name| format!(" proto {name}")).unwrap_or_default();
    let to = match pass.ports {
        None => " to port PORT".into(),
        Some([]) => String::new(),
        Some([port]) => format!(" to port {port}"),
        Some(ports) => format!(" to port {{ {} }}", ports.join(" ")),
    };
    vec![
        format!("table <{table}> persist"),
        format!("pass in on {interface}{family}{protocol} from <{table}>{to}"),
    ]
}
