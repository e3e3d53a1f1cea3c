//! The stanza `doors`.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{commands, shape};
use crate::config::position::{Place, Spot};
use crate::config::problem::Report;
use crate::config::raw::{self, Map};
use crate::core::address::{self, Loopback};
use crate::core::door::{self, Door, DoorIndex, OnClose, Table};
use crate::core::{duration, name};
use crate::firewall::Choice;

/// Far below what [`DoorIndex`] holds.
const MAX_DOORS: usize = 1_000;
/// What one table holds of entries, by pf's default.
const MAX_LEASES: u32 = 200_000;
/// OpenBSD's `RT_TABLEID_MAX`.
const MAX_RDOMAIN: u16 = 255;
/// Every packet for the door is compared with all of them.
const MAX_TARGETS: usize = 16;
const OPEN_FOR: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The doors, and their names.
pub struct Doors<'r> {
    /// By index.
    pub list: Vec<Door>,
    indices: HashMap<&'r str, DoorIndex>,
}

impl Doors<'_> {
    /// The doors called `names`, in rising order.
    pub fn find(&self, names: &[String], at: Spot<'_>, report: &mut Report) -> Vec<DoorIndex> {
        let mut found = BTreeSet::new();
        for (ordinal, name) in names.iter().enumerate() {
            let quoted = || shape::quoted(name);
            match self.indices.get(name.as_str()) {
                None => {
                    report.error(at.item(ordinal), format!("there is no door {}", quoted()))
                }
                Some(index) if !found.insert(*index) => {
                    report.error(at.item(ordinal), format!("door {} is named twice", quoted()));
                }
                Some(_) => {}
            }
        }
        found.into_iter().collect()
    }
}

/// Checks the stanza.
pub fn check<'r>(
    raw: &'r Map<raw::Door>,
    at: Spot<'_>,
    firewall: &Choice,
    report: &mut Report,
) -> Doors<'r> {
    shape::names(raw, "door", MAX_DOORS, at, report);
    let mut list = Vec::new();
    let mut indices = HashMap::new();
    let mut ids: HashMap<_, (&str, Place)> = HashMap::new();
    for (index, (ordinal, name, raw)) in (0..).zip(raw.iter().take(MAX_DOORS)) {
        let at = at.entry(ordinal);
        let (other, place) = *ids.entry(door::wire_id(name)).or_insert((name, at.place()));
        if other != name {
            let Place { line, column } = place;
            let (name, other) = (shape::quoted(name), shape::quoted(other));
            let text =
                format!("tokens cannot tell door {name} from {other} at {line}:{column}");
            report.error(at, format!("{text}, rename one"));
        }
        indices.insert(name, DoorIndex(index));
        list.push(door(name, raw, at, firewall, report));
    }
    Doors { list, indices }
}

fn door(
    name: &str,
    raw: &raw::Door,
    at: Spot<'_>,
    firewall: &Choice,
    report: &mut Report,
) -> Door {
    table(raw, at, firewall, report);
    let range = Duration::from_secs(1)..=LONGEST;
    let mut span = |text: &Option<String>, default, field| {
        shape::span(text.as_deref(), default, range.clone(), at.field(field), field, report)
    };
    let open_for = span(&raw.open_for, OPEN_FOR, "open_for");
    let max_open_for = span(&raw.max_open_for, open_for, "max_open_for");
    if open_for > max_open_for {
        let (least, most) = (duration::Text(open_for), duration::Text(max_open_for));
        let text = format!("max_open_for is {most}, must be at least open_for, {least}");
        report.error(at.field("max_open_for"), text);
    }
    let max_leases = raw.max_leases.unwrap_or(1_000);
    shape::number(max_leases, MAX_LEASES, "max_leases", at.field("max_leases"), report);
    let ports = shape::ports(&raw.ports, at.field("ports"), report);
    for (ordinal, port) in ports.iter().enumerate() {
        if ports[..ordinal].contains(port) {
            report
                .error(at.field("ports").item(ordinal), format!("port {port} is named twice"));
        }
    }
    on_close(raw, at, firewall, report);
    Door {
        name: name.to_owned(),
        table: Table { anchor: raw.anchor.clone(), name: raw.table.clone() },
        ports,
        open_for,
        max_open_for,
        max_leases,
        on_close: raw.on_close,
        v4_prefix: prefix(raw.v4_prefix, V4, "v4_prefix", at, firewall, report),
        v6_prefix: prefix(raw.v6_prefix, V6, "v6_prefix", at, firewall, report),
        rdomain: raw.rdomain,
        targets: targets(&raw.targets, at.field("targets"), report),
        commands: commands::of_door(&raw.commands, name, at.field("commands"), report),
    }
}

/// Addresses of ours, each once.
fn targets(raw: &[String], at: Spot<'_>, report: &mut Report) -> Vec<IpAddr> {
    let mut targets = Vec::new();
    for (ordinal, text) in raw.iter().enumerate().take(MAX_TARGETS) {
        let at = at.item(ordinal);
        let address = text.parse().ok().and_then(|it| address::host(it, Loopback::Allowed));
        match address {
            None => {
                let text = shape::quoted(text);
                report.error(
                    at,
                    format!("target {text} is no address of a host, write one of ours"),
                );
            }
            Some(address) if targets.contains(&address) => {
                report.error(at, format!("target {address} is named twice"));
            }
            Some(address) => targets.push(address),
        }
    }
    if raw.len() > MAX_TARGETS {
        report.error(at, format!("more than {MAX_TARGETS} targets, remove some"));
    }
    targets
}

/// The shortest prefixes that carriers give one customer's addresses from,
/// and a host's.
const V4: RangeInclusive<u8> = 16..=32;
/// As [`V4`].
const V6: RangeInclusive<u8> = 32..=128;

/// How many leading bits an entry has, a host's unless written.
fn prefix(
    raw: Option<u8>,
    range: RangeInclusive<u8>,
    field: &str,
    at: Spot<'_>,
    firewall: &Choice,
    report: &mut Report,
) -> u8 {
    let (least, host) = (*range.start(), *range.end());
    let prefix = raw.unwrap_or(host);
    if !range.contains(&prefix) {
        report
            .error(at.field(field), format!("{field} is {prefix}, must be {least} to {host}"));
    } else if prefix != host && matches!(firewall, Choice::Nft { .. }) {
        let text = format!("the sets of nft hold single addresses, remove {field}");
        report.error(at.field(field), text);
    }
    prefix
}

fn on_close(raw: &raw::Door, at: Spot<'_>, firewall: &Choice, report: &mut Report) {
    if raw.rdomain > MAX_RDOMAIN {
        let text = format!("rdomain is {}, must be at most {MAX_RDOMAIN}", raw.rdomain);
        report.error(at.field("rdomain"), text);
    }
    if raw.on_close == OnClose::KillStates && matches!(firewall, Choice::Nft { .. }) {
        let text = "nft kills no states, write on_close: KeepStates";
        report.error(at.field("on_close"), text);
    }
}

fn table(raw: &raw::Door, at: Spot<'_>, firewall: &Choice, report: &mut Report) {
    let name = shape::quoted(&raw.table);
    if !name::is_table(&raw.table) {
        let text = format!("table {name} must be 1 to 31 bytes of letters, digits, _ . and -");
        report.error(at.field("table"), text);
    } else if raw.table == "keep" {
        let text = "no table can be called keep, a word of pf.conf, choose another name";
        report.error(at.field("table"), text);
    }
    if matches!(firewall, Choice::Nft { .. })
        && name::is_table(&raw.table)
        && !name::is_nft(&raw.table)
    {
        let text = format!("nft wants a letter first, rename table {name}");
        report.error(at.field("table"), text);
    }
    let Some(anchor) = &raw.anchor else { return };
    let at = at.field("anchor");
    if matches!(firewall, Choice::Nft { .. }) {
        report.error(at, "nft has no anchors, remove it");
    } else if let Some(fault) = anchor_fault(anchor) {
        report.error(at, format!("anchor {} {fault}", shape::quoted(anchor)));
    }
}

/// What pf or pf.conf would not take in the path of an anchor.
pub fn anchor_fault(anchor: &str) -> Option<&'static str> {
    let part_fault = |part: &str| !(1..=63).contains(&part.len());
    // A star makes pf.conf load every anchor below, and names none.
    let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\' | b'*');
    if anchor.is_empty() {
        Some("names nothing, remove it for the main ruleset")
    } else if anchor.starts_with('/') {
        Some("must not begin with a slash")
    } else if anchor.len() > 1023 {
        Some("must be shorter than 1024 bytes")
    } else if anchor.split('/').any(part_fault) {
        Some("must have 1 to 63 bytes between its slashes")
    } else if anchor.bytes().any(odd) {
        Some("must be printable ASCII without spaces, quotes, backslashes and stars")
    } else if anchor.split('/').next() == Some("_pf") {
        Some("is reserved by pf, choose another name")
    } else {
        None
    }
}
