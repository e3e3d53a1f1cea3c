//! What the programs of Linux do to its packet filter.

use super::{Change, whole};
use crate::core::sighting::Protocol;

/// iptables(8) and ip6tables(8).
pub fn iptables(arguments: &[&str]) -> Option<Change> {
    // --dport=22 is --dport 22.
    let parts = arguments.iter().flat_map(|word| match word.split_once('=') {
        Some((option, value)) if word.starts_with("--") => vec![option, value],
        _ => vec![*word],
    });
    let parts: Vec<&str> = parts.collect();
    let mut change = Change { is_whole: whole::iptables(&parts), ..Change::default() };
    let mut parts = parts.into_iter().peekable();
    let (mut has_verb, mut is_block) = (false, false);
    while let Some(option) = parts.next() {
        let value = parts.peek().copied().unwrap_or_default();
        match option {
            "-A" | "--append" | "-I" | "--insert" => {
                (has_verb, change.lets_in) = (true, true);
                change.keep(&[value]);
                parts.next();
                // A place in the chain is no part of the rule.
                parts.next_if(|word| word.parse::<u32>().is_ok());
                continue;
            }
            "-D" | "--delete" => {
                has_verb = true;
                continue;
            }
            "-p" | "--protocol" | "--proto" => change.protocol(value),
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                change.ports(value);
            }
            "-j" | "--jump" => {
                is_block = matches!(value, "DROP" | "REJECT");
                change.translates = matches!(value, "DNAT" | "REDIRECT");
            }
            _ => {}
        }
        change.keep(&[option]);
    }
    if is_block {
        change.blocks();
    }
    has_verb.then_some(change)
}

/// The script that comes with the old daemon.
pub fn knock_add(arguments: &[&str]) -> Option<Change> {
    let is_whole = whole::knock_add(arguments);
    let mut change = Change { protocol: Some(Protocol::Tcp), is_whole, ..Change::default() };
    let mut has_verb = false;
    let mut words = arguments.iter().copied();
    while let Some(option) = words.next() {
        match option {
            "-a" | "--append" | "-i" | "--insert" => (has_verb, change.lets_in) = (true, true),
            "-x" | "--delete" => has_verb = true,
            "-d" | "--dstport" => change.ports(words.next()?),
            "-p" | "--proto" => change.protocol(words.next()?),
            "-f" | "--srcaddr" | "-c" | "--chain" => change.keep(&[option, words.next()?]),
            _ => {}
        }
    }
    let ports = change.ports.join(",");
    change.keep(&[&ports]);
    has_verb.then_some(change)
}

/// nft(8).
pub fn nft(arguments: &[&str]) -> Option<Change> {
    // All of it may be one word, and braces stand as they please.
    let line = arguments.join(" ").replace(['{', '}', ';'], " ").replace(", ", ",");
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let verb = words
        .iter()
        .position(|word| matches!(*word, "add" | "insert" | "create" | "delete" | "destroy"))?;
    let (verb, rest) = words.get(verb..)?.split_first()?;
    if !matches!(*rest.first()?, "rule" | "element") {
        return None;
    }
    let lets_in = !matches!(*verb, "delete" | "destroy");
    // Behind the chain; that a set takes the address says nothing of ports.
    let chain = if matches!(rest.get(1), Some(&("inet" | "ip" | "ip6"))) { 4 } else { 3 };
    let is_whole = rest.first() == Some(&"rule") && whole::nft(rest.get(chain..)?);
    let mut change = Change { lets_in, is_whole, ..Change::default() };
    change.keep(rest);
    if let Some(place) = rest.iter().position(|word| *word == "dport") {
        change.protocol(rest.get(place.checked_sub(1)?)?);
        change.ports(rest.get(place + 1).copied().unwrap_or_default());
    }
    if rest.iter().any(|word| matches!(*word, "drop" | "reject")) {
        change.blocks();
    }
    Some(change)
}

/// ufw(8).
pub fn ufw(arguments: &[&str]) -> Option<Change> {
    let is_whole = whole::ufw(arguments);
    let mut change = Change { lets_in: true, is_whole, ..Change::default() };
    let mut has_verb = false;
    let mut words = arguments.iter().copied().peekable();
    while let Some(word) = words.next() {
        let value = words.peek().copied().unwrap_or_default();
        match word {
            "delete" => {
                change.blocks();
                continue;
            }
            "insert" => {
                words.next();
                continue;
            }
            "allow" | "limit" => has_verb = true,
            "deny" | "reject" => {
                has_verb = true;
                change.blocks();
            }
            "port" => change.ports(value),
            "proto" => change.protocol(value),
            _ => {}
        }
        change.keep(&[word]);
    }
    has_verb.then_some(change)
}
