//! What the programs of Linux do to its packet filter.

use super::{Change, Verdict, is_port, options, value, whole};
use crate::core::sighting::Protocol;

/// What a command of iptables(8) or ip6tables(8) changes.
pub fn iptables(arguments: &[&str]) -> Option<Change> {
    let words = options(arguments);
    let mut change = Change { is_whole: whole::iptables(&words), ..Change::default() };
    let mut parts = words.iter().copied().peekable();
    let mut adds = None;
    let mut target = "";
    while let Some(option) = parts.next() {
        let value = parts.peek().copied().unwrap_or_default();
        match option {
            "-A" | "--append" | "-I" | "--insert" => {
                adds = Some(true);
                change.keep(&[value]);
                parts.next();
                // A position in the chain is no part of the rule.
                parts.next_if(|word| word.parse::<u32>().is_ok());
                // Packets that leave let nobody in.
                if matches!(value, "OUTPUT" | "POSTROUTING") {
                    return None;
                }
                continue;
            }
            "-D" | "--delete" => {
                adds = Some(false);
                continue;
            }
            "-p" | "--protocol" | "--proto" => change.protocol(value),
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                change.ports(value);
            }
            "-j" | "--jump" => target = value,
            _ => {}
        }
        change.keep(&[option]);
    }
    change.judged(adds?, Verdict::of(&[target]), &words)
}

/// What a call of the script of the old daemon changes.
pub fn knock_add(arguments: &[&str]) -> Option<Change> {
    let is_whole = whole::knock_add(arguments);
    let mut change = Change { protocol: Some(Protocol::Tcp), is_whole, ..Change::default() };
    let mut adds = None;
    let mut words = arguments.iter().copied();
    while let Some(option) = words.next() {
        match option {
            "-a" | "--append" | "-i" | "--insert" => adds = Some(true),
            "-x" | "--delete" => adds = Some(false),
            "-d" | "--dstport" => change.ports(words.next()?),
            "-p" | "--proto" => change.protocol(words.next()?),
            "-f" | "--srcaddr" | "-c" | "--chain" => change.keep(&[option, words.next()?]),
            _ => {}
        }
    }
    let ports = change.ports.join(",");
    change.keep(&[&ports]);
    change.judged(adds?, Verdict::Pass, arguments)
}

/// What a command of nft(8) changes.
pub fn nft(arguments: &[&str]) -> Option<Change> {
    // All of it may be one word, and braces may touch their neighbours.
    let line = arguments.join(" ").replace(['{', '}', ';'], " ").replace(", ", ",");
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let is_verb = |word: &&str| {
        matches!(*word, "add" | "insert" | "create" | "delete" | "destroy" | "flush")
    };
    let (verb, rest) = words.get(words.iter().position(is_verb)?..)?.split_first()?;
    let adds = !matches!(*verb, "delete" | "destroy" | "flush");
    match *rest.first()? {
        "element" | "set" if (rest.first() == Some(&"set")) == (*verb == "flush") => {
            let end = rest.iter().position(|word| word.contains("%IP%")).unwrap_or(rest.len());
            Change::entry(adds, rest.get(1..end)?, rest)
        }
        "rule" if *verb != "flush" => {
            // The conditions follow the chain.
            let has_family = matches!(rest.get(1), Some(&("inet" | "ip" | "ip6")));
            let conditions = rest.get(if has_family { 4 } else { 3 }..)?;
            let is_whole = whole::nft(conditions);
            let mut change = Change { is_whole, ..Change::default() };
            change.keep(rest);
            if let Some(place) = rest.iter().position(|word| *word == "dport") {
                change.protocol(rest.get(place.checked_sub(1)?)?);
                change.ports(rest.get(place + 1).copied().unwrap_or_default());
            }
            change.judged(adds, Verdict::of(conditions), conditions)
        }
        _ => None,
    }
}

/// What a command of ufw(8) changes.
pub fn ufw(arguments: &[&str]) -> Option<Change> {
    let mut change = Change { is_whole: whole::ufw(arguments), ..Change::default() };
    let (mut adds, mut verdict) = (true, None);
    let mut words = arguments.iter().copied().peekable();
    while let Some(word) = words.next() {
        let value = words.peek().copied().unwrap_or_default();
        match word {
            "delete" => {
                adds = false;
                continue;
            }
            "insert" => {
                words.next();
                continue;
            }
            "allow" | "limit" | "deny" | "reject" => {
                let is_pass = matches!(word, "allow" | "limit");
                verdict = Some(if is_pass { Verdict::Pass } else { Verdict::Block });
                // As in 22/tcp.
                let (port, protocol) = value.split_once('/').unwrap_or((value, ""));
                if is_port(port) {
                    change.ports(port);
                    change.protocol(protocol);
                }
            }
            "out" => return None,
            "port" => change.ports(value),
            "proto" => change.protocol(value),
            _ => {}
        }
        change.keep(&[word]);
    }
    change.judged(adds, verdict?, arguments)
}

/// What a command of ipset(8) changes.
pub fn ipset(arguments: &[&str]) -> Option<Change> {
    let words: Vec<&str> =
        arguments.iter().copied().filter(|word| !matches!(*word, "-exist" | "-!")).collect();
    let set = value(&words, &["add", "-A", "del", "-D", "flush", "-F"])?;
    Change::entry(value(&words, &["add", "-A"]).is_some(), &[set], &words)
}
