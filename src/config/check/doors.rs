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
use crate::core::duration;
use crate::firewall::Backend;

/// Far below the range of [`DoorIndex`].
const MAX_DOORS: usize = 1_000;
/// The most entries of one table, by pf's default.
const MAX_LEASES: u32 = 200_000;
/// OpenBSD's `RT_TABLEID_MAX`.
const MAX_RDOMAIN: u16 = 255;
/// Each packet for the door is compared with all targets.
const MAX_TARGETS: usize = 16;
const OPEN_FOR: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The doors, and their indices by name.
pub struct CheckedDoors<'r> {
    /// In the order of their indices.
    pub list: Vec<Door>,
    indices: HashMap<&'r str, DoorIndex>,
}

impl CheckedDoors<'_> {
    /// Finds the doors called `names`. Returns them in ascending order.
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
    backend: &Backend,
    report: &mut Report,
) -> CheckedDoors<'r> {
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
            let text = format!("door {name} has the same id as {other} at {line}:{column}");
            report.error(at, format!("{text}, rename one"));
        }
        indices.insert(name, DoorIndex(index));
        let door = door(name, raw, at, backend, report);
        if !backend.nests_networks {
            no_nesting(&door, &list, at, report);
        }
        list.push(door);
    }
    CheckedDoors { list, indices }
}

/// Reports a door that would add networks within those of another.
fn no_nesting(door: &Door, others: &[Door], at: Spot<'_>, report: &mut Report) {
    let prefixes = |door: &Door| (door.v4_prefix, door.v6_prefix);
    let is_nested =
        |other: &&Door| other.table == door.table && prefixes(other) != prefixes(door);
    if let Some(other) = others.iter().find(is_nested) {
        let other = shape::quoted(&other.name);
        let text = format!(
            "doors with one table need the same prefixes, those of door {other} differ: use \
             another table"
        );
        report.error(at.field("table"), text);
    }
}

fn door(
    name: &str,
    raw: &raw::Door,
    at: Spot<'_>,
    backend: &Backend,
    report: &mut Report,
) -> Door {
    table(raw, at, backend, report);
    let range = Duration::from_secs(1)..=LONGEST;
    let mut span = |text: &Option<String>, default, field| {
        shape::span(text.as_deref(), default, range.clone(), field, at, report)
    };
    let open_for = span(&raw.open_for, OPEN_FOR, "open_for");
    let max_open_for = span(&raw.max_open_for, open_for, "max_open_for");
    if open_for > max_open_for {
        let (least, most) = (duration::Text(open_for), duration::Text(max_open_for));
        let text = format!("max_open_for is {most}, must be at least open_for, {least}");
        report.error(at.field("max_open_for"), text);
    }
    let max_leases = raw.max_leases.unwrap_or(1_000);
    shape::number(max_leases, MAX_LEASES, "max_leases", at, report);
    let ports = shape::ports(&raw.ports, at.field("ports"), report);
    for (ordinal, port) in ports.iter().enumerate() {
        if ports[..ordinal].contains(port) {
            report
                .error(at.field("ports").item(ordinal), format!("port {port} is named twice"));
        }
    }
    on_close(raw, at, backend, report);
    Door {
        name: name.to_owned(),
        table: Table { anchor: raw.anchor.clone(), name: raw.table.clone() },
        ports,
        open_for,
        max_open_for,
        max_leases,
        on_close: raw.on_close,
        v4_prefix: prefix(raw.v4_prefix, V4, "v4_prefix", at, report),
        v6_prefix: prefix(raw.v6_prefix, V6, "v6_prefix", at, report),
        rdomain: raw.rdomain,
        targets: targets(&raw.targets, at.field("targets"), report),
        commands: commands::of_door(&raw.commands, name, at.field("commands"), report),
    }
}

/// Returns the targets: addresses of hosts, none twice.
fn targets(raw: &[String], at: Spot<'_>, report: &mut Report) -> Vec<IpAddr> {
    let mut targets = Vec::new();
    for (ordinal, text) in raw.iter().enumerate().take(MAX_TARGETS) {
        let at = at.item(ordinal);
        let address = text.parse().ok().and_then(|it| address::host(it, Loopback::Allowed));
        match address {
            None => {
                let text =
                    format!("target {} is not the address of a host", shape::quoted(text));
                report.error(at, format!("{text}, use one of this host"));
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

/// From the shortest prefix from which carriers give addresses to one customer, to
/// that of a host.
const V4: RangeInclusive<u8> = 16..=32;
/// As [`V4`].
const V6: RangeInclusive<u8> = 32..=128;

/// Returns the number of leading bits of an entry. The default is that of a host.
fn prefix(
    raw: Option<u8>,
    range: RangeInclusive<u8>,
    field: &str,
    at: Spot<'_>,
    report: &mut Report,
) -> u8 {
    let (least, host) = (*range.start(), *range.end());
    let prefix = raw.unwrap_or(host);
    if !range.contains(&prefix) {
        report
            .error(at.field(field), format!("{field} is {prefix}, must be {least} to {host}"));
    }
    prefix
}

fn on_close(raw: &raw::Door, at: Spot<'_>, backend: &Backend, report: &mut Report) {
    if raw.rdomain > MAX_RDOMAIN {
        let text = format!("rdomain is {}, must be at most {MAX_RDOMAIN}", raw.rdomain);
        report.error(at.field("rdomain"), text);
    }
    if raw.on_close == OnClose::KillStates && !backend.kills_states {
        let text = format!("{} cannot kill states, use on_close: KeepStates", backend.title);
        report.error(at.field("on_close"), text);
    }
}

fn table(raw: &raw::Door, at: Spot<'_>, backend: &Backend, report: &mut Report) {
    if let Some(fault) = (backend.table_fault)(&raw.table) {
        let text = format!("table {} {fault}", shape::quoted(&raw.table));
        report.error(at.field("table"), text);
    }
    let Some(anchor) = &raw.anchor else { return };
    let at = at.field("anchor");
    match backend.anchor_fault {
        None => report.error(at, format!("{} has no anchors, remove anchor", backend.title)),
        Some(fault) => {
            if let Some(fault) = fault(anchor) {
                report.error(at, format!("anchor {} {fault}", shape::quoted(anchor)));
            }
        }
    }
}
