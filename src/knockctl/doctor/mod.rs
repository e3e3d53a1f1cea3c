//! Looks at the live system and says what keeps knockd from its promises.
//!
//! Each part has functions from what was seen to [`Finding`]s, which
//! ask nobody, and a thin one that looks. [`run`] puts them in order: from
//! what the administrator wrote over what the daemon says of itself to what
//! the kernel does.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::core::finding::Finding;
use crate::review::{self, machine};
use crate::sys;

pub mod access;
pub mod clock;
pub mod health;
pub mod places;
pub mod report;

pub use report::Outcome;

use health::Health;
use report::Report;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
}

/// Asks the daemon for its health: the pairs of [`crate::control::health::KEYS`].
///
/// # Errors
/// In one line, why it does not answer.
pub type Ask<'a> = dyn FnMut() -> Result<Vec<(String, String)>, String> + 'a;

/// Looks at everything and prints one line for each finding, and their sum.
pub fn run(options: &Options, ask: &mut Ask<'_>, out: &mut dyn Write) -> Outcome {
    let mut report = Report::new(out);
    let config = config::load(&options.config);
    report.add(configuration(&options.config, &config));
    if let Ok(config) = &config {
        report.add(directories(config));
    }
    let health = ask().map(Health::new);
    let now = sys::wall();
    match &health {
        Ok(health) => {
            report.add(health::check(health, now, on_disk(&options.config).as_deref()))
        }
        Err(why) => report.add([Finding::error("daemon", why)]),
    }
    report.add([access::look(), clock::check(now)]);
    if let Ok(config) = &config {
        let names = interfaces(config, health.ok().as_ref());
        report.add(review::check(config, &names));
    }
    report.finish()
}

fn on_disk(path: &Path) -> Option<String> {
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
        "{} is good: doors {}, users {}, sequences {}, gate keys {keys}",
        path.display(),
        policy.doors.len(),
        policy.users.len(),
        policy.sequences.len()
    );
    let warnings = config.warnings.lines().map(|line| Finding::warning(subject, line));
    std::iter::once(Finding::ok(subject, text)).chain(warnings).collect()
}

fn directories(config: &Config) -> Vec<Finding> {
    let own = nix::unistd::geteuid().as_raw();
    let config::Directories { secrets, state, run } = &config.directories;
    let mut findings = Vec::new();
    for (subject, path, allowed) in
        [("secrets", secrets, 0o700), ("state", state, 0o700), ("run", run, 0o755)]
    {
        findings.push(places::directory(subject, path, &places::look(path), allowed, own));
    }
    if let Ok(files) = places::files(secrets) {
        findings.extend(places::secrets(&files, own));
    }
    // Tables in memory open nothing, and anybody may try them out.
    if config.firewall.backend().enforces {
        let user = nix::unistd::User::from_name(&config.user);
        let uid = user.map(|user| user.map(|user| user.uid.as_raw()));
        let uid = uid.map_err(|error| error.desc().to_owned());
        findings.push(places::account(&config.user, &uid));
    }
    findings
}

/// Those that the daemon captures on, or would.
fn interfaces(config: &Config, health: Option<&Health>) -> Vec<String> {
    let attached = health.map(|health| health.all("attached").map(str::to_owned).collect());
    match attached {
        Some(names) if !Vec::is_empty(&names) => names,
        _ => machine::meant(&config.interfaces),
    }
}
