//! The stanza `sequences`.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::doors::CheckedDoors;
use super::keys::Keys;
use super::{changing, legacy, shape, weakness};
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration, Flag, Permission};
use crate::core::door::DoorIndex;
use crate::core::gate::MAX_CLAIMS;
use crate::core::sequence::{MAX_STEPS, Sequence, SequenceIndex, Steps};
use crate::core::sighting::{FlagMask, Port, Protocol, TcpFlags};

/// Each packet is compared with all sequences.
const MAX_SEQUENCES: usize = 256;
const WITHIN: Duration = Duration::from_secs(5);

/// Checks the stanza.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    doors: &CheckedDoors<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Vec<Sequence> {
    shape::names(&raw.sequences, "sequence", MAX_SEQUENCES, at, report);
    let spa = raw.spa.iter().map(|spa| spa.port);
    let tokens: Vec<Port> = spa
        .chain(legacy::ports(raw))
        .map(|number| Port { protocol: Protocol::Udp, number })
        .collect();
    let is_token = |step: &&Port| tokens.contains(*step);
    let mut list: Vec<Sequence> = Vec::new();
    for (ordinal, name, raw) in raw.sequences.iter().take(MAX_SEQUENCES) {
        let at = at.entry(ordinal);
        let sequence = sequence(name, raw, at, doors, keys, report);
        let taken = sequence.steps.ports().enumerate().find(|(_, step)| is_token(step));
        if let Some((ordinal, step)) = taken {
            let at = match sequence.steps {
                Steps::Fixed(_) => at.field("steps").item(ordinal),
                _ => at.field("changing").item(0),
            };
            let text = format!("{step} is a port of tokens and cannot be a step, use another");
            report.error(at, text);
        }
        let begins_alike = |other: &&Sequence| {
            let both = sequence.steps.fixed().zip(other.steps.fixed());
            both.is_some_and(|(one, other)| is_prefix(one, other))
        };
        if let Some(twin) = list.iter().find(begins_alike) {
            let (name, other) = (shape::quoted(name), shape::quoted(&twin.name));
            let text = format!("one of the sequences {name} and {other} begins with the other");
            report.error(at.field("steps"), format!("{text}, change a step"));
        }
        list.push(sequence);
    }
    claims(&list, at, report);
    list
}

fn sequence(
    name: &str,
    raw: &raw::Sequence,
    at: Spot<'_>,
    doors: &CheckedDoors<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Sequence {
    let changing = raw
        .changing
        .as_ref()
        .and_then(|raw| changing::check(raw, at.field("changing"), keys, report));
    let steps = raw.steps.as_deref().unwrap_or_default();
    let steps = shape::ports(steps, at.field("steps"), report);
    if raw.changing.is_some() {
        changing::exclusions(raw, at, report);
        if let Some(Steps::OneTime(list)) = &changing {
            changing::weak_lines(list, raw, at.field("changing").item(0), report);
        }
    } else if !(1..=MAX_STEPS).contains(&steps.len()) {
        report.error(at.field("steps"), format!("a sequence must have 1 to {MAX_STEPS} steps"));
    } else if let Some(weakness) = weakness::of_steps(&steps) {
        weak(weakness, raw, at.field("steps"), report);
    }
    if raw.opens.is_empty() {
        report.error(at.field("opens"), "the sequence opens no door, name one");
    }
    let opened = doors.find(&raw.opens, at.field("opens"), report);
    let range = Duration::from_millis(100)..=Duration::from_secs(600);
    let within = shape::span(raw.within.as_deref(), WITHIN, range, "within", at, report);
    if let Some(Steps::Rolling(rolling)) = &changing
        && within > rolling.period()
    {
        report.error(at.field("within"), "within is longer than the period, shorten it");
    }
    let flags = flags(raw.flags.as_ref(), &steps, at.field("flags"), report);
    let steps = changing.unwrap_or(Steps::Fixed(steps));
    let blind = weakness::of_flags(steps.ports().any(Port::is_tcp), flags);
    if let Some(weakness) = blind {
        weak(weakness, raw, at.field("flags"), report);
    } else if !raw.strict {
        weak(weakness::LAX, raw, at.field("strict"), report);
    }
    Sequence {
        name: name.to_owned(),
        within,
        flags,
        strict: raw.strict && blind.is_none(),
        targets: targets(&opened, doors, at.field("opens"), report),
        doors: opened,
        steps,
    }
}

/// Refuses a weak sequence, unless the configuration allows it.
fn weak(weakness: &str, raw: &raw::Sequence, at: Spot<'_>, report: &mut Report) {
    if raw.weak == Permission::Refused {
        let text = format!("weak sequence: {weakness}; change it or write weak: Allowed");
        report.error(at, text);
    }
}

/// Returns the files of lists. No two sequences may share one.
pub fn lists(
    raw: &Configuration,
    secrets: &Path,
    at: Spot<'_>,
    report: &mut Report,
) -> Vec<(SequenceIndex, PathBuf)> {
    let mut lists = Vec::new();
    let mut seen = HashSet::new();
    for (place, (ordinal, _, raw)) in (0..).zip(raw.sequences.iter()).take(MAX_SEQUENCES) {
        let Some(raw::Changing::OneTime(path)) = &raw.changing else { continue };
        if !seen.insert(path) {
            let text = "another sequence already uses this list, name another";
            report.error(at.entry(ordinal).field("changing").item(0), text);
        }
        lists.push((SequenceIndex(place), secrets.join(path)));
    }
    lists
}

/// Returns the targets of the doors, which must be the same for all.
fn targets(
    opened: &[DoorIndex],
    doors: &CheckedDoors<'_>,
    at: Spot<'_>,
    report: &mut Report,
) -> Vec<IpAddr> {
    let mut all = opened.iter().filter_map(|door| doors.list.get(usize::from(door.0)));
    let Some(first) = all.next() else { return Vec::new() };
    if let Some(other) = all.find(|door| door.targets != first.targets) {
        let text = format!("doors {} and {} have different targets", first.name, other.name);
        report.error(at, format!("{text}, write a sequence for each"));
    }
    first.targets.clone()
}

fn is_prefix(one: &[Port], other: &[Port]) -> bool {
    let common = one.len().min(other.len());
    common > 0 && one[..common] == other[..common]
}

fn flags(
    raw: Option<&raw::Flags>,
    steps: &[Port],
    at: Spot<'_>,
    report: &mut Report,
) -> FlagMask {
    let Some(raw) = raw else { return FlagMask::INITIAL_SYN };
    let mask = FlagMask { set: union(&raw.set), clear: union(&raw.clear) };
    if mask.set.intersects(mask.clear) {
        report.error(at, "a flag cannot be both set and clear, remove it from one");
    }
    if !steps.is_empty() && steps.iter().all(|step| step.protocol != Protocol::Tcp) {
        report.warn(at, "flags have no effect, the sequence has no tcp step");
    }
    mask
}

fn union(flags: &[Flag]) -> TcpFlags {
    flags.iter().fold(TcpFlags::default(), |all, flag| {
        all.union(match flag {
            Flag::Fin => TcpFlags::FIN,
            Flag::Syn => TcpFlags::SYN,
            Flag::Rst => TcpFlags::RST,
            Flag::Psh => TcpFlags::PSH,
            Flag::Ack => TcpFlags::ACK,
            Flag::Urg => TcpFlags::URG,
        })
    })
}

/// Checks how many doors one packet can open: it may be the last step of several
/// sequences.
fn claims(list: &[Sequence], at: Spot<'_>, report: &mut Report) {
    let mut opened: HashMap<Port, usize> = HashMap::new();
    for (ordinal, sequence) in list.iter().enumerate() {
        let Some(last) = sequence.steps.fixed().and_then(<[Port]>::last) else { continue };
        let opened = opened.entry(*last).or_default();
        *opened += sequence.doors.len();
        if *opened > MAX_CLAIMS {
            let text = format!("one packet to {last} would open more than {MAX_CLAIMS} doors");
            let at = at.entry(ordinal).field("opens");
            report.error(at, format!("{text}, change the last step of a sequence"));
        }
    }
}
