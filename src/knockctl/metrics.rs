//! The daemon's counters as OpenMetrics text (version 1.0).

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::control::answer::DoorState;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// A number that the daemon keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name in [`Desk::stats`](crate::control::server::Desk::stats), up to the dot.
    pub stat: &'static str,
    /// The name of the label, whose value is after the dot.
    pub label: Option<&'static str>,
    /// The type.
    pub kind: MetricKind,
    /// The description; one line.
    pub help: &'static str,
}

const fn counter(stat: &'static str, help: &'static str) -> Metric {
    Metric { stat, label: None, kind: MetricKind::Counter, help }
}

const fn gauge(stat: &'static str, help: &'static str) -> Metric {
    Metric { stat, label: None, kind: MetricKind::Gauge, help }
}

/// Every metric except the latencies: [`LATENCY`] and [`LATENCY_SUM`].
pub const METRICS: [Metric; 14] = [
    gauge("leases", "Leases that live."),
    gauge(
        "journal_used",
        "Tokens that the replay journal remembers, and counters of security keys.",
    ),
    gauge("journal_room", "Tokens that it can remember."),
    Metric {
        stat: "refused",
        label: Some("reason"),
        kind: MetricKind::Counter,
        help: "Packets that opened nothing, by reason.",
    },
    counter("opened", "Leases that began."),
    counter("extended", "Leases that got a later deadline."),
    counter("closed", "Leases that ended."),
    counter("dropped", "Packets that the kernel dropped before they were read."),
    counter("engine_restarts", "Engines that were started in place of one that died."),
    counter("keeper_restarts", "Keepers that were started in place of one that died."),
    counter("reloads", "Configurations that were read again."),
    counter("clock_steps", "Steps of civil time."),
    counter("control_refused", "Connections to the control socket that were refused."),
    counter("control_missed", "Lines that monitors did not read in time."),
];

/// Grants that took at most the microseconds after the dot, from reading the
/// packet to the address being in the table; [`ALL`] counts all.
pub const LATENCY: &str = "latency";
/// The bound of [`LATENCY`] that counts all grants.
pub const ALL: &str = "inf";
/// The microseconds of all grants together.
pub const LATENCY_SUM: &str = "latency_sum";

/// Writes all metrics and the end mark.
///
/// # Errors
/// The writer's.
pub fn write(
    doors: &[DoorState],
    stats: &[(String, u64)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut families: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (name, value) in stats {
        let (stem, label) = name.split_once('.').unwrap_or((name, ""));
        families.entry(stem).or_default().push((label, *value));
    }
    of_doors("door_leases", "Addresses that a door is open to.", doors, out, |door| {
        door.leases
    })?;
    let usable = "Whether the table of a door can be used.";
    of_doors("door_usable", usable, doors, out, |door| door.usable.into())?;
    for metric in METRICS {
        if let Some(samples) = families.remove(metric.stat) {
            plain(metric, &samples, out)?;
        }
    }
    let sum = families.remove(LATENCY_SUM).and_then(|sum| sum.first().copied());
    if let Some(buckets) = families.remove(LATENCY) {
        histogram(buckets, sum.map_or(0, |(_, sum)| sum), out)?;
    }
    for (stem, samples) in families {
        unknown(stem, &samples, out)?;
    }
    writeln!(out, "# EOF")
}

fn head(name: &str, kind: &str, help: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# TYPE knockd_{name} {kind}")?;
    writeln!(out, "# HELP knockd_{name} {help}")
}

fn of_doors(
    name: &str,
    help: &str,
    doors: &[DoorState],
    out: &mut dyn Write,
    value: fn(&DoorState) -> u32,
) -> io::Result<()> {
    head(name, "gauge", help, out)?;
    for door in doors {
        writeln!(out, "knockd_{name}{} {}", labels("door", &door.name), value(door))?;
    }
    Ok(())
}

fn plain(metric: Metric, samples: &[(&str, u64)], out: &mut dyn Write) -> io::Result<()> {
    let Metric { stat, label, kind, help } = metric;
    let (kind, end) = match kind {
        MetricKind::Counter => ("counter", "_total"),
        MetricKind::Gauge => ("gauge", ""),
    };
    head(stat, kind, help, out)?;
    for (value_of_label, value) in samples {
        let labels = label.map(|label| labels(label, value_of_label)).unwrap_or_default();
        writeln!(out, "knockd_{stat}{end}{labels} {value}")?;
    }
    Ok(())
}

/// Writes a number that only another version of the daemon has.
fn unknown(stem: &str, samples: &[(&str, u64)], out: &mut dyn Write) -> io::Result<()> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = stem.chars().map(allowed).collect();
    head(&name, "unknown", "Not described.", out)?;
    for (label, value) in samples {
        let labels = if label.is_empty() { String::new() } else { labels("of", label) };
        writeln!(out, "knockd_{name}{labels} {value}")?;
    }
    Ok(())
}

/// Writes the buckets in rising order; the last has no bound.
fn histogram(buckets: Vec<(&str, u64)>, sum: u64, out: &mut dyn Write) -> io::Result<()> {
    let Some((_, all)) = buckets.iter().find(|(bound, _)| *bound == ALL).copied() else {
        return Ok(());
    };
    let name = "latency_seconds";
    let help = "Time from a packet being read to its address being in the table.";
    head(name, "histogram", help, out)?;
    writeln!(out, "# UNIT knockd_{name} seconds")?;
    let bounded =
        buckets.iter().filter_map(|(bound, count)| Some((bound.parse().ok()?, *count)));
    let mut bounded: Vec<(u64, u64)> = bounded.collect();
    bounded.sort_unstable();
    for (bound, count) in bounded {
        writeln!(out, "knockd_{name}_bucket{{le=\"{}\"}} {count}", seconds(bound))?;
    }
    writeln!(out, "knockd_{name}_bucket{{le=\"+Inf\"}} {all}")?;
    writeln!(out, "knockd_{name}_count {all}")?;
    writeln!(out, "knockd_{name}_sum {}", seconds(sum))
}

/// Microseconds as seconds, with a fraction without trailing zeros.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.into() }
}

/// A label with its value, escaped.
fn labels(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::door::Table;

    #[test]
    fn everything_has_its_family_and_its_escapes() {
        let table = Table { anchor: None, name: "knock_ssh".into() };
        let doors = [DoorState { name: "a\"b\\c\nd".into(), table, leases: 3, usable: true }];
        let stats = [
            ("latency.inf", 5),
            ("refused.stale", 2),
            ("opened", 7),
            ("leases", 3),
            ("latency.1000000", 4),
            ("new thing.x", 1),
            ("refused.replayed", 1),
            ("latency.100", 1),
            ("latency_sum", 1_002_200),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let mut out = Vec::new();
        write(&doors, &stats, &mut out).unwrap();
        let expected = "# TYPE knockd_door_leases gauge
# HELP knockd_door_leases Addresses that a door is open to.
knockd_door_leases{door=\"a\\\"b\\\\c\\nd\"} 3
# TYPE knockd_door_usable gauge
# HELP knockd_door_usable Whether the table of a door can be used.
knockd_door_usable{door=\"a\\\"b\\\\c\\nd\"} 1
# TYPE knockd_leases gauge
# HELP knockd_leases Leases that live.
knockd_leases 3
# TYPE knockd_refused counter
# HELP knockd_refused Packets that opened nothing, by reason.
knockd_refused_total{reason=\"stale\"} 2
knockd_refused_total{reason=\"replayed\"} 1
# TYPE knockd_opened counter
# HELP knockd_opened Leases that began.
knockd_opened_total 7
# TYPE knockd_latency_seconds histogram
# HELP knockd_latency_seconds Time from a packet being read to its address being in the table.
# UNIT knockd_latency_seconds seconds
knockd_latency_seconds_bucket{le=\"0.0001\"} 1
knockd_latency_seconds_bucket{le=\"1.0\"} 4
knockd_latency_seconds_bucket{le=\"+Inf\"} 5
knockd_latency_seconds_count 5
knockd_latency_seconds_sum 1.0022
# TYPE knockd_new_thing unknown
# HELP knockd_new_thing Not described.
knockd_new_thing{of=\"x\"} 1
# EOF
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
