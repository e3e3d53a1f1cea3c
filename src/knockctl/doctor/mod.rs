//! Checks the live system and reports what keeps knockd from working.
//!
//! Each part has pure functions that judge facts, and a thin one that collects
//! them. [`run`] calls them in order: the configuration, then the daemon, then
//! the kernel.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use crate::config::{self, Config, weakness};
use crate::core::finding::{Finding, Grade};
use crate::review::{self, machine};
use crate::sys::{self, confine};

pub mod access;
pub mod clock;
pub mod health;
pub mod places;
pub mod report;

use health::Health;
use report::Printer;

/// Asks the daemon for its health, in pairs with the keys of
/// [`crate::control::health::KEYS`].
///
/// # Errors
/// Why it does not answer, in one line.
pub type AskHealth<'a> = dyn FnMut() -> Result<Vec<(String, String)>, String> + 'a;

/// Checks everything, with the configuration at `path`, and prints a line for each
/// finding and their number. Returns the grade of the worst.
pub fn run(path: &Path, ask: &mut AskHealth<'_>, out: &mut dyn Write) -> Grade {
    let mut printer = Printer::new(out);
    let config = config::load(path);
    printer.print(configuration(path, &config));
    if let Ok(config) = &config {
        printer.print(directories(config));
    }
    let health = ask().map(Health::new);
    let now = sys::wall();
    match &health {
        Ok(health) => {
            printer.print(health::check(health, now, fingerprint_on_disk(path).as_deref()))
        }
        Err(why) => printer.print([Finding::error("daemon", why)]),
    }
    printer.print([access::check(), clock::check(now)]);
    if let Ok(config) = &config {
        let names = interfaces(config, health.ok().as_ref());
        printer.print(review::check(config, &names));
    }
    printer.finish()
}

fn fingerprint_on_disk(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(config::MAX_LENGTH + 1).read_to_end(&mut text).ok()?;
    Some(config::fingerprint(&text))
}

fn configuration(path: &Path, config: &Result<Config, config::Problems>) -> Vec<Finding> {
    let subject = "configuration";
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            return problems.lines().map(|line| Finding::error(subject, line)).collect();
        }
    };
    let policy = &config.policy;
    let keys = policy.spa.as_ref().map_or(0, |spa| spa.gate_keys.len());
    let text = format!(
        "{} is valid: doors {}, users {}, sequences {}, gate keys {keys}",
        path.display(),
        policy.doors.len(),
        policy.users.len(),
        policy.sequences.len()
    );
    let warnings = config.warnings.lines().map(|line| Finding::warning(subject, line));
    let weak = policy.sequences.iter().filter_map(|sequence| {
        let text = format!("weak, {}: change it, or use tokens", weakness::of(sequence)?);
        Some(Finding::warning(format!("sequence {}", sequence.name), text))
    });
    std::iter::once(Finding::ok(subject, text)).chain(warnings).chain(weak).collect()
}

fn directories(config: &Config) -> Vec<Finding> {
    let config::Directories { secrets, state, run } = &config.directories;
    let mut findings = Vec::new();
    for (subject, path, allowed) in
        [("secrets", secrets, 0o700), ("state", state, 0o700), ("run", run, 0o755)]
    {
        findings.push(places::directory(subject, path, &path.metadata(), allowed));
    }
    findings.push(places::root_of_engine(&confine::examine_empty_directory(run)));
    if let Ok(files) = places::files(secrets) {
        findings.extend(places::secrets(&files));
    }
    // Tables in memory open nothing, so the daemon runs without root's rights.
    if config.firewall.backend().enforces {
        let user = nix::unistd::User::from_name(&config.user);
        let uid = user.map(|user| user.map(|user| user.uid.as_raw()));
        let uid = uid.map_err(|error| error.desc().to_owned());
        findings.push(places::account(&config.user, &uid));
    }
    findings
}

/// The interfaces that the daemon captures on, or would.
fn interfaces(config: &Config, health: Option<&Health>) -> Vec<String> {
    let attached = health.map(|health| health.all("attached").map(str::to_owned).collect());
    match attached {
        Some(names) if !Vec::is_empty(&names) => names,
        _ => machine::names(&config.interfaces),
    }
}
