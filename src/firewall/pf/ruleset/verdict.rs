//! Judges what the ruleset means for the doors and the SPA port.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::fate::{self, Fate, Outcome};
use super::line::{Action, Line};
use super::parts::Host;
use super::share::{Entrance, Packets, Sender};
use crate::core::address::Family;
use crate::core::door::{Door, Table};
use crate::core::finding::Finding;
use crate::core::sighting::{Port, Protocol};
use crate::firewall::Machine;

/// The most lines that are reported as not understood.
pub const MAX_UNREAD: usize = 16;
/// The most characters of a line that are printed.
const MAX_SHOWN: usize = 160;

/// The ruleset of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its lines.
    pub lines: &'a [Line],
    /// The interfaces where packets come in; at least one.
    pub entrances: &'a [Entrance],
    /// The machine.
    pub machine: &'a Machine,
}

/// What can happen to packets of each family.
type FamilyFates<'a> = Vec<(Family, Fate<'a>)>;

impl<'a> Site<'a> {
    /// Judges the rules for all doors and SPA ports.
    #[must_use]
    pub fn judge(&self, doors: &[Door], token_ports: &[u16]) -> Vec<Finding> {
        let doors = doors.iter().flat_map(|door| self.door(door));
        let spa = token_ports.iter().flat_map(|port| self.spa(*port));
        doors.chain(spa).chain(self.unread()).collect()
    }

    fn fates(&self, port: Port, sender: Sender<'_>) -> FamilyFates<'a> {
        let mut fates = Vec::new();
        for entrance in self.entrances {
            for family in Family::BOTH {
                let packets = Packets { entrance, family, port, sender, machine: self.machine };
                let ends = fate::follow(self.lines, &packets);
                fates.extend(ends.into_iter().map(|fate| (family, fate)));
            }
        }
        fates
    }

    /// Judges whether `door` drops packets of strangers without an answer, and is
    /// open to the addresses in its table.
    #[must_use]
    pub fn door(&self, door: &Door) -> Vec<Finding> {
        let subject = format!("door {}", door.name);
        let mut findings = Vec::new();
        for port in &door.ports {
            let leaks = leaks(&self.fates(*port, Sender::Stranger));
            if leaks.is_empty() {
                let text = format!("{port} is dropped for strangers");
                findings.push(Finding::ok(&subject, text));
            }
            for ((leak, line), families) in leaks {
                findings.push(leak.at_door(&subject, *port, &line, &over(&families)));
            }
            let listed = self.fates(*port, Sender::Listed(&door.table));
            findings.push(admission(&subject, *port, &door.table, &listed));
        }
        if door.ports.is_empty() {
            findings.push(self.reference(&subject, &door.table));
        }
        findings
    }

    /// Judges a door without ports by whether a rule refers to its table.
    fn reference(&self, subject: &str, table: &Table) -> Finding {
        if is_named(self.lines, table) {
            let text = format!("a rule passes addresses in {table}, ports are not configured");
            return Finding::ok(subject, text);
        }
        let text = format!(
            "no rule passes addresses in {table}: add `pass in proto tcp from <{}> to port PORT`",
            table.name
        );
        Finding::warning(subject, text)
    }

    /// Judges whether the kernel drops packets to an SPA port without an answer.
    #[must_use]
    pub fn spa(&self, number: u16) -> Vec<Finding> {
        let subject = "SPA port";
        let port = Port { protocol: Protocol::Udp, number };
        let leaks = leaks(&self.fates(port, Sender::Stranger));
        if leaks.is_empty() {
            return vec![Finding::ok(subject, format!("{port} is dropped without an answer"))];
        }
        let leaks = leaks.into_iter();
        leaks
            .map(|((leak, line), families)| leak.at_spa(subject, port, &line, &over(&families)))
            .collect()
    }

    /// Reports the lines with an unknown word.
    #[must_use]
    pub fn unread(&self) -> Vec<Finding> {
        let mut unread = Vec::new();
        collect_unread(self.lines, &mut unread);
        let more = unread.len().saturating_sub(MAX_UNREAD);
        unread.truncate(MAX_UNREAD);
        if more > 0 {
            unread.push(format!("{more} more rules are not understood: look at them yourself"));
        }
        unread.into_iter().map(|text| Finding::warning("rules", text)).collect()
    }
}

/// What a stranger can learn, from the worst to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Leak {
    Open,
    Unblocked,
    Answered,
    Unclear,
}

impl Leak {
    /// `None` for what is dropped, even if in doubt.
    const fn of(fate: &Fate<'_>) -> Option<Self> {
        match (fate.outcome, fate.doubt) {
            (Outcome::Dropped, _) => None,
            (_, Some(_)) | (Outcome::Unknown, None) => Some(Self::Unclear),
            (Outcome::Passed, None) => Some(Self::Open),
            (Outcome::Untouched, None) => Some(Self::Unblocked),
            (Outcome::Answered, None) => Some(Self::Answered),
        }
    }

    fn at_door(self, subject: &str, port: Port, line: &str, over: &str) -> Finding {
        match self {
            Self::Open => Finding::error(
                subject,
                format!(
                    "strangers reach {port} {over} by {line}: remove that rule, or narrow it"
                ),
            ),
            Self::Unblocked => Finding::error(
                subject,
                format!("no rule blocks {port} {over}: add `block drop in` above the others"),
            ),
            Self::Answered => Finding::warning(
                subject,
                format!("the kernel answers at {port} {over} by {line}: write `block drop`"),
            ),
            Self::Unclear => Finding::warning(
                subject,
                format!(
                    "cannot tell whether strangers reach {port} {over}, because of {line}: look \
                     at that rule yourself"
                ),
            ),
        }
    }

    fn at_spa(self, subject: &str, port: Port, line: &str, over: &str) -> Finding {
        let text = match self {
            Self::Open => format!(
                "{port} passes {over} by {line}, so the kernel answers that nobody listens: \
                 block it"
            ),
            Self::Unblocked => format!(
                "no rule blocks {port} {over}, so the kernel answers that nobody listens: block \
                 it"
            ),
            Self::Answered => {
                format!("the kernel answers at {port} {over} by {line}: write `block drop`")
            }
            Self::Unclear => format!(
                "cannot tell whether the kernel answers at {port} {over}, because of {line}: \
                 look at that rule yourself"
            ),
        };
        Finding::warning(subject, text)
    }
}

/// Returns what strangers can learn, and from which line.
fn leaks(fates: &FamilyFates<'_>) -> BTreeMap<(Leak, String), BTreeSet<Family>> {
    let mut leaks: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (family, fate) in fates {
        let Some(leak) = Leak::of(fate) else { continue };
        let line = fate.doubt.or(fate.by).map(shown).unwrap_or_default();
        leaks.entry((leak, line)).or_default().insert(*family);
    }
    leaks
}

/// Judges whether the addresses in the door's table reach `port`.
fn admission(subject: &str, port: Port, table: &Table, fates: &FamilyFates<'_>) -> Finding {
    let passes = |(_, fate): &&(Family, Fate<'_>)| {
        matches!(fate.outcome, Outcome::Passed | Outcome::Untouched)
    };
    let sure: BTreeSet<_> = fates
        .iter()
        .filter(passes)
        .filter(|(_, fate)| fate.doubt.is_none())
        .map(|(family, _)| *family)
        .collect();
    if !sure.is_empty() {
        let over = over(&sure);
        return Finding::ok(subject, format!("{port} is open to addresses in {table} {over}"));
    }
    if let Some(line) = fates.iter().find_map(|(_, fate)| fate.doubt) {
        let text = format!(
            "cannot tell whether addresses in {table} reach {port}, because of {}: look at that \
             rule yourself",
            shown(line)
        );
        return Finding::warning(subject, text);
    }
    let blocker = fates.iter().find_map(|(_, fate)| fate.by);
    let by = blocker.map(|line| format!(" by {}", shown(line))).unwrap_or_default();
    let text = format!(
        "{port} stays shut to addresses in {table}{by}: add `pass in proto {} from <{}> to port \
         {}` below",
        match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        },
        table.name,
        port.number
    );
    Finding::error(subject, text)
}

/// Whether a line passes packets from `table`.
fn is_named(lines: &[Line], table: &Table) -> bool {
    lines.iter().any(|line| match (&line.action, &line.source.host) {
        (Action::Anchor(anchor), _) => {
            anchor.lines.as_deref().is_some_and(|lines| is_named(lines, table))
        }
        (Action::Pass, Host::Table(name)) => {
            let is_meant = line.anchor == table.anchor || table.anchor.is_none();
            !line.source.negated && *name == table.name && is_meant
        }
        _ => false,
    })
}

fn collect_unread(lines: &[Line], unread: &mut Vec<String>) {
    for line in lines {
        if let Action::Anchor(anchor) = &line.action {
            match &anchor.lines {
                Some(lines) => collect_unread(lines, unread),
                None => unread.push(format!(
                    "cannot read the rules of {}: look at it yourself",
                    shown(line)
                )),
            }
        }
        if let Some(word) = &line.unread {
            let line = shown(line);
            unread.push(format!("{word:?} is not understood in {line}: look at it yourself"));
        }
    }
}

/// Quotes a line for a message, with its anchor, and cuts it.
fn shown(line: &Line) -> String {
    let mut text: String = line.text.chars().take(MAX_SHOWN).collect();
    if text.len() < line.text.len() {
        text.push_str("...");
    }
    match &line.anchor {
        None => format!("`{text}`"),
        Some(anchor) => format!("`{text}` in anchor {anchor}"),
    }
}

fn over(families: &BTreeSet<Family>) -> String {
    let names = families.iter().map(|family| match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    });
    format!("over {}", names.collect::<Vec<_>>().join(" and "))
}
