//! firewall-cmd(1).

use super::{Change, Verdict, lasting, linux, number, options, value, whole};
use crate::core::sighting::Protocol;

/// What a command of firewall-cmd(1) changes.
pub fn firewall_cmd(arguments: &[&str]) -> Option<Change> {
    let parts = options(arguments);
    if parts.contains(&"--direct") {
        return direct(&parts);
    }
    let is_change = |word: &&&str| word.starts_with("--add-") || word.starts_with("--remove-");
    let option = *parts.iter().find(is_change)?;
    let (adds, kind) = match option.strip_prefix("--add-") {
        Some(kind) => (true, kind),
        None => (false, option.strip_prefix("--remove-")?),
    };
    let argument = value(&parts, &[option])?;
    let zone = value(&parts, &["--zone"]).unwrap_or_default();
    let mut change = match kind {
        "rich-rule" => rich_rule(adds, argument)?,
        "source" => source(adds, zone, argument)?,
        "port" => port(argument).judged(adds, Verdict::Pass, &[])?,
        "service" => {
            let mut change = Change::default();
            change.is_whole = service(&mut change, argument);
            change.judged(adds, Verdict::Pass, &[])?
        }
        "entry" => Change::entry(adds, &[value(&parts, &["--ipset"])?], arguments)?,
        _ => return None,
    };
    change.is_whole &= parts.iter().filter(is_change).count() == 1;
    change.keep(&[zone, kind]);
    if kind != "entry" {
        change.keep(&[argument]);
    }
    change.lasts = value(&parts, &["--timeout"]).and_then(lasting);
    Some(change)
}

/// A rule of iptables(8), passed through.
fn direct(parts: &[&str]) -> Option<Change> {
    let place = parts.iter().position(|word| {
        matches!(*word, "--add-rule" | "--remove-rule" | "--passthrough" | "--add-passthrough")
    })?;
    match parts.get(place..)? {
        ["--passthrough" | "--add-passthrough", _family, rule @ ..] => linux::iptables(rule),
        [verb, _family, table, chain, _priority, rule @ ..] => {
            let verb = if *verb == "--add-rule" { "-A" } else { "-D" };
            linux::iptables(&[&["-t", table, verb, chain], rule].concat())
        }
        _ => None,
    }
}

fn rich_rule(adds: bool, rule: &str) -> Option<Change> {
    let rule = rule.replace(['"', '\''], "");
    let words: Vec<&str> =
        rule.split_ascii_whitespace().flat_map(|word| word.split('=')).collect();
    let mut change = Change { is_whole: whole::rich_rule(&words), ..Change::default() };
    for word in rule.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("port", ports)) => change.ports(ports),
            Some(("protocol", protocol)) => change.protocol(protocol),
            Some(("name", name)) => change.is_whole &= service(&mut change, name),
            _ => {}
        }
    }
    change.judged(adds, Verdict::of(&words), &words)
}

/// A source belongs to a zone, which decides about its packets.
fn source(adds: bool, zone: &str, address: &str) -> Option<Change> {
    let verdict = if matches!(zone, "drop" | "block") { Verdict::Block } else { Verdict::Pass };
    let change = Change { is_whole: zone == "trusted", ..Change::default() };
    change.judged(adds, verdict, &["address", address])
}

/// As in 22/tcp.
fn port(text: &str) -> Change {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let mut change = Change::default();
    change.ports(ports);
    change.protocol(protocol);
    change.is_whole = change.protocol.is_some();
    change
}

/// Returns whether the ports of the service are known.
fn service(change: &mut Change, name: &str) -> bool {
    let is_known = number(name).is_some() && name != "domain";
    if is_known {
        change.ports(name);
        let is_udp = name == "openvpn";
        change.protocol = Some(if is_udp { Protocol::Udp } else { Protocol::Tcp });
    }
    is_known
}
