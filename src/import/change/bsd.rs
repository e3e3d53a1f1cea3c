//! What the programs of the BSDs and macOS do to their packet filters.

use super::{Change, Effect, number, whole};

/// pfctl(8).
pub fn pfctl(arguments: &[&str]) -> Option<Effect> {
    let value = |option: &str| {
        let mut words = arguments.iter();
        let found = words.find(|word| word.starts_with(option))?;
        let attached = found.strip_prefix(option).filter(|value| !value.is_empty());
        attached.or_else(|| words.next().copied())
    };
    if arguments.contains(&"-k") {
        return Some(Effect::Kill);
    }
    let verb = value("-T").filter(|verb| matches!(*verb, "add" | "delete"))?;
    let table = value("-t")?;
    let anchor = value("-a");
    let mut change = Change::of(verb);
    change.keep(&[anchor.unwrap_or_default(), table]);
    change.table = Some(table.into());
    change.anchor = anchor.map(Into::into);
    Some(Effect::Change(change))
}

/// ipfw(8).
pub fn ipfw(arguments: &[&str]) -> Option<Change> {
    let start = arguments.iter().position(|word| !word.starts_with('-'))?;
    let words = arguments.get(start..)?;
    if let ["table", table, verb @ ("add" | "delete"), ..] = words {
        let mut change = Change::of(verb);
        change.keep(&["table", table]);
        return Some(change);
    }
    let (verb, rest) = words.split_first()?;
    let mut change = match *verb {
        "add" | "delete" => Change::of(verb),
        _ => return None,
    };
    match rest.first() {
        // A rule goes by its number.
        Some(place) if place.parse::<u32>().is_ok() => change.keep(&[place]),
        _ => change.keep(rest),
    }
    let is_block = rest.iter().any(|word| matches!(*word, "deny" | "drop" | "reject"));
    let from = rest.iter().position(|word| *word == "from");
    if let Some(word) = from.and_then(|place| rest.get(place.checked_sub(1)?)) {
        change.protocol(word);
    }
    if let Some(to) = rest.iter().position(|word| *word == "to") {
        let mut behind = rest.iter().skip(to + 2).skip_while(|word| **word == "dst-port");
        let ports = behind.next().filter(|ports| ports.split([',', '-']).all(is_port));
        change.ports(ports.copied().unwrap_or_default());
    }
    if is_block {
        change.blocks();
    }
    change.is_whole = whole::ipfw(arguments);
    Some(change)
}

fn is_port(word: &str) -> bool {
    number(word).is_some()
}
