//! Judges what the daemon reports about itself.
#![forbid(unsafe_code)]

use crate::control::health::{KEYS, SOUND};
use crate::core::finding::Finding;
use crate::core::time::Wall;

/// The most milliseconds between the daemon's clock and ours, which is read a
/// moment later.
const MAX_OFFSET: u64 = 2_000;

/// What the daemon reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health(Vec<(String, String)>);

impl Health {
    /// Creates it from pairs of key and value.
    #[must_use]
    pub const fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn text<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).next()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }
}

/// Judges the report. `now` is our clock, `fingerprint` that of the configuration
/// on the disk.
#[must_use]
pub fn check(health: &Health, now: Wall, fingerprint: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![version(health)];
    findings.extend(missing(health));
    findings.extend(configuration(health, fingerprint));
    findings.extend(interfaces(health));
    findings.extend(journal(health));
    findings.extend(lease_file(health));
    findings.extend(restarts(health));
    findings.extend(dropped(health));
    findings.extend(clock(health, now));
    findings.extend(doors(health));
    findings
}

fn version(health: &Health) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let uptime = health.number("uptime").unwrap_or(0);
    match health.text("version") {
        Some(version) if version != own => Finding::warning(
            "daemon",
            format!("version {version} is running, {own} is installed: restart knockd"),
        ),
        _ => Finding::ok("daemon", format!("version {own}, running for {uptime} s")),
    }
}

/// Reports keys that are missing, or are no number where one belongs: the checks
/// that need them are not made.
fn missing(health: &Health) -> Option<Finding> {
    let texts = ["version", "configuration", "fingerprint", "journal", "lease_file"];
    let is_missing = |name: &&str| {
        if texts.contains(name) {
            health.text(name).is_none()
        } else {
            health.number(name).is_none()
        }
    };
    let keys = KEYS.iter().filter(|key| !key.repeats).map(|key| key.name);
    let missing: Vec<_> = keys.filter(is_missing).collect();
    (!missing.is_empty()).then(|| {
        let text = format!("it did not report {}: restart knockd", missing.join(", "));
        Finding::warning("daemon", text)
    })
}

fn configuration(health: &Health, on_disk: Option<&str>) -> Option<Finding> {
    let (running, on_disk) = (health.text("fingerprint")?, on_disk?);
    let path = health.text("configuration").unwrap_or("the configuration");
    Some(if running == on_disk {
        Finding::ok("reload", format!("{path} is in force as it is on the disk"))
    } else {
        let text = "the daemon uses another configuration: run `knockctl reload`";
        Finding::warning("reload", text)
    })
}

fn interfaces(health: &Health) -> Vec<Finding> {
    let mut findings: Vec<_> = health
        .all("attached")
        .map(|name| Finding::ok(format!("interface {name}"), "capturing"))
        .collect();
    let has_none = findings.is_empty();
    findings.extend(health.all("waiting").map(|pair| {
        let (name, why) = pair.split_once('=').unwrap_or((pair, "it is missing"));
        let text = format!("not capturing, {why}: bring it up, or remove it from `interfaces`");
        Finding::warning(format!("interface {name}"), text)
    }));
    if has_none {
        let text = "capturing on no interface, nobody can knock: see `interfaces`";
        findings.push(Finding::error("capture", text));
    }
    findings
}

fn journal(health: &Health) -> Vec<Finding> {
    let Some(state) = health.text("journal") else { return Vec::new() };
    if state != SOUND {
        let text = format!("{state}: tokens are refused until it can be written");
        return vec![Finding::error("journal", text)];
    }
    let bytes = health.number("journal_bytes").unwrap_or(0);
    let age = health.number("journal_age").unwrap_or(0);
    let text = format!("sound, {bytes} bytes, created {age} s ago");
    let mut findings = vec![Finding::ok("journal", text)];
    if let Some(seconds @ 1..) = health.number("uncertain") {
        let text = format!(
            "tokens of an earlier run may be unrecorded, all tokens are refused for {seconds} s \
             more: wait"
        );
        findings.push(Finding::warning("journal", text));
    }
    findings
}

fn lease_file(health: &Health) -> Option<Finding> {
    let state = health.text("lease_file")?;
    Some(if state == SOUND {
        Finding::ok("lease file", "sound")
    } else {
        let text = format!("{state}: leases will end with the daemon until it can be written");
        Finding::warning("lease file", text)
    })
}

fn restarts(health: &Health) -> Vec<Finding> {
    let processes = [("engine", "engine_restarts"), ("keeper", "keeper_restarts")];
    let counts = processes.iter().filter_map(|(name, key)| Some((name, health.number(key)?)));
    counts
        .map(|(name, count)| match count {
            0 => Finding::ok(*name, "never restarted"),
            _ => Finding::warning(
                *name,
                format!("restarted {count} times: see the log for the reasons"),
            ),
        })
        .collect()
}

fn dropped(health: &Health) -> Option<Finding> {
    Some(match health.number("dropped")? {
        0 => Finding::ok("drops", "the kernel dropped no packets"),
        count => Finding::warning(
            "drops",
            format!(
                "the kernel dropped {count} packets: if this grows, see `strict` in knockd.ron(5)"
            ),
        ),
    })
}

fn clock(health: &Health, now: Wall) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(daemon) = health.number("now") {
        let offset = now.offset_from(Wall::from_millis(daemon));
        if offset.unsigned_abs() > MAX_OFFSET {
            let side = if offset > 0 { "behind" } else { "ahead of" };
            let by = offset.unsigned_abs();
            let text = format!("the daemon's clock is {by} ms {side} ours: restart knockd");
            findings.push(Finding::warning("clock", text));
        }
    }
    if let Some(count @ 1..) = health.number("clock_steps") {
        let text =
            format!("stepped {count} times since the start: run a time daemon that slews");
        findings.push(Finding::warning("clock", text));
    }
    findings
}

fn doors(health: &Health) -> Vec<Finding> {
    let unusable = health.all("unusable").map(|pair| {
        let (door, why) = pair.split_once('=').unwrap_or((pair, "its table cannot be used"));
        Finding::error(format!("door {door}"), format!("cannot open: {why}"))
    });
    unusable.collect()
}
