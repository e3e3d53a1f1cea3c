//! What the programs of the BSDs and macOS do to their packet filters.

use super::{Change, Verdict, is_port, whole};

/// What a command of pfctl(8) changes in a table.
pub fn pfctl(arguments: &[&str]) -> Option<Change> {
    let value = |option: &str| {
        let mut words = arguments.iter();
        let found = words.find(|word| word.starts_with(option))?;
        let attached = found.strip_prefix(option).filter(|value| !value.is_empty());
        attached.or_else(|| words.next().copied())
    };
    let verb = value("-T").filter(|verb| matches!(*verb, "add" | "delete" | "flush"))?;
    let (anchor, table) = (value("-a"), value("-t")?);
    let name = [anchor.unwrap_or_default(), table];
    let mut change = Change::entry(verb == "add", &name, arguments)?;
    change.table = Some(table.into());
    change.anchor = anchor.map(Into::into);
    Some(change)
}

/// What a command of ipfw(8) changes.
pub fn ipfw(arguments: &[&str]) -> Option<Change> {
    let start = arguments.iter().position(|word| !word.starts_with('-'))?;
    let words = arguments.get(start..)?;
    if let ["table", table, verb @ ("add" | "delete" | "flush"), ..] = words {
        return Change::entry(*verb == "add", &["table", table], arguments);
    }
    let (verb, rest) = words.split_first()?;
    if !matches!(*verb, "add" | "delete") {
        return None;
    }
    let mut change = Change { is_whole: whole::ipfw(arguments), ..Change::default() };
    match rest.first() {
        // A rule is deleted by its number.
        Some(place) if place.parse::<u32>().is_ok() => change.keep(&[place]),
        _ => change.keep(rest),
    }
    let from = rest.iter().position(|word| *word == "from");
    if let Some(word) = from.and_then(|place| rest.get(place.checked_sub(1)?)) {
        change.protocol(word);
    }
    if let Some(to) = rest.iter().position(|word| *word == "to") {
        let mut after = rest.iter().skip(to + 2).skip_while(|word| **word == "dst-port");
        let ports = after.next().filter(|ports| is_port(ports));
        change.ports(ports.copied().unwrap_or_default());
    }
    change.judged(*verb == "add", Verdict::of(rest), rest)
}
