//! What the daemon's report on itself means.
#![forbid(unsafe_code)]

use crate::control::health::{KEYS, Key, SOUND};
use crate::core::finding::Finding;
use crate::core::time::Wall;

/// How far the daemon's clock may be from ours, which is read a moment later.
const MAX_OFFSET: u64 = 2_000;

/// What the daemon told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health(Vec<(String, String)>);

impl Health {
    /// From pairs as they were received.
    #[must_use]
    pub const fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }
}

/// What the daemon's own words mean. `now` is our clock, `fingerprint` that
/// of the configuration on disk.
#[must_use]
pub fn check(health: &Health, now: Wall, fingerprint: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![running(health)];
    findings.extend(untold(health));
    findings.extend(generation(health, fingerprint));
    findings.extend(interfaces(health));
    findings.extend(journal(health));
    findings.extend(lease_file(health));
    findings.extend(restarts(health));
    findings.extend(dropped(health));
    findings.extend(clock(health, now));
    findings.extend(doors(health));
    findings
}

fn running(health: &Health) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let uptime = health.number("uptime").unwrap_or(0);
    match health.text("version") {
        Some(version) if version != own => Finding::warning(
            "daemon",
            format!("version {version} runs, but {own} is installed: restart knockd"),
        ),
        _ => Finding::ok("daemon", format!("version {own} runs for {uptime} s")),
    }
}

/// A key that is missing, or no number where one belongs, is a check that was
/// not made.
fn untold(health: &Health) -> Option<Finding> {
    let texts = ["version", "configuration", "fingerprint", "journal", "lease_file"];
    let is_told = |key: &&Key| {
        let name = key.name;
        if texts.contains(&name) {
            health.text(name).is_some()
        } else {
            health.number(name).is_some()
        }
    };
    let keys = KEYS.iter().filter(|key| !key.repeats && !is_told(key));
    let missing: Vec<_> = keys.map(|key| key.name).collect();
    (!missing.is_empty()).then(|| {
        let text = format!("it does not tell {}: restart knockd", missing.join(", "));
        Finding::warning("daemon", text)
    })
}

fn generation(health: &Health, on_disk: Option<&str>) -> Option<Finding> {
    let (running, on_disk) = (health.text("fingerprint")?, on_disk?);
    let path = health.text("configuration").unwrap_or("the configuration");
    Some(if running == on_disk {
        Finding::ok("reload", format!("the daemon runs with {path} as it is"))
    } else {
        let text =
            "the daemon runs with another configuration than the file: run `knockctl reload`";
        Finding::warning("reload", text)
    })
}

fn interfaces(health: &Health) -> Vec<Finding> {
    let mut findings: Vec<_> = health
        .all("attached")
        .map(|name| Finding::ok(format!("interface {name}"), "captured on"))
        .collect();
    let is_deaf = findings.is_empty();
    findings.extend(health.all("waiting").map(|pair| {
        let (name, why) = pair.split_once('=').unwrap_or((pair, "it is not there"));
        let text = format!("not captured on, {why}: bring it up, or drop it from `interfaces`");
        Finding::warning(format!("interface {name}"), text)
    }));
    if is_deaf {
        let text = "no interface is captured on, nobody can knock: see `interfaces`";
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
    let text = format!("sound, {bytes} bytes, made {age} s ago");
    let mut findings = vec![Finding::ok("journal", text)];
    if let Some(seconds @ 1..) = health.number("uncertain") {
        let text = format!(
            "an earlier run may have honoured tokens that nobody remembers, all are refused for \
             {seconds} s more: wait"
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
        let text =
            format!("{state}: leases will not outlive the daemon until it can be written");
        Finding::warning("lease file", text)
    })
}

fn restarts(health: &Health) -> Vec<Finding> {
    let processes = [("engine", "engine_restarts"), ("keeper", "keeper_restarts")];
    let told = processes.iter().filter_map(|(name, key)| Some((name, health.number(key)?)));
    told.map(|(name, count)| match count {
        0 => Finding::ok(*name, "never had to be started anew"),
        _ => Finding::warning(
            *name,
            format!("started anew {count} times: look for why in the log"),
        ),
    })
    .collect()
}

fn dropped(health: &Health) -> Option<Finding> {
    Some(match health.number("dropped")? {
        0 => Finding::ok("drops", "no packet was lost"),
        count => Finding::warning(
            "drops",
            format!(
                "{count} packets were lost before they were read: if that grows, see `strict` in \
                 knockd.ron(5)"
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
            let text = format!("the daemon's is {by} ms {side} ours: restart knockd");
            findings.push(Finding::warning("clock", text));
        }
    }
    if let Some(count @ 1..) = health.number("clock_steps") {
        let text =
            format!("it stepped {count} times since the start: run a time daemon that slews");
        findings.push(Finding::warning("clock", text));
    }
    findings
}

fn doors(health: &Health) -> Vec<Finding> {
    let unusable = health.all("unusable").map(|pair| {
        let (door, why) = pair.split_once('=').unwrap_or((pair, "its table cannot be used"));
        Finding::error(format!("door {door}"), format!("stays shut: {why}"))
    });
    unusable.collect()
}
