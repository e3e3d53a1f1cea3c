//! What a configuration must mean. One file per stanza.
//!
//! A check reports and goes on with something harmless in place of what is
//! wrong, so that all mistakes come to light at once; nothing of it is used
//! once anything was reported.
#![forbid(unsafe_code)]

use super::files::{Files, Origin};
use super::position::Spot;
use super::problem::Report;
use super::raw::{Configuration, Permission};
use super::{Config, Problems};
use crate::core::address::Loopback;
use crate::core::credential::Credential;
use crate::core::name;
use crate::core::policy::{Limits, Policy};

mod changing;
mod commands;
mod doors;
mod keys;
#[cfg(feature = "legacy")]
mod legacy;
#[cfg(not(feature = "legacy"))]
mod no_legacy;
mod sequences;
mod shape;
mod shell;
mod spa;
mod users;
mod weakness;

#[cfg(not(feature = "legacy"))]
use no_legacy as legacy;

pub use weakness::weakness;

/// Checks everything.
pub(super) fn configuration(
    raw: &Configuration,
    at: Spot<'_>,
    origin: Origin,
    files: Files,
) -> Result<Config, Problems> {
    let report = &mut Report::default();
    if !name::is_server(&raw.name) {
        let text = "the name of the server must be 1 to 64 bytes of a-z 0-9 . and -";
        report.error(at.field("name"), text);
    }
    let interfaces = shell::interfaces(raw, at, report);
    let firewall = shell::firewall(raw.firewall.as_ref(), at.field("firewall"), report);
    shell::abilities(raw, at, firewall.backend(), report);
    let directories = shell::directories(&raw.directories, at, files.directory(), report);
    let mut keys = keys::Keys::new(&directories.secrets, origin, files);
    keys.check_directory(raw, at, report);

    let spa = spa::check(raw.spa.as_ref(), at.field("spa"), &raw.name, &mut keys, report);
    let doors = doors::check(&raw.doors, at.field("doors"), firewall.backend(), report);
    let sequences = sequences::check(raw, at.field("sequences"), &doors, &mut keys, report);
    let users = users::check(raw, at.field("users"), &doors, &spa, &mut keys, report);
    let lists = sequences::lists(raw, &directories.secrets, at.field("sequences"), report);
    let ids = users.iter().flat_map(|user| &user.credentials).map(Credential::id);
    let taken = ids.chain(spa.gate_ids.iter().copied()).collect();
    changing::secrets(&sequences, &taken, at.field("sequences"), report);
    let legacy = legacy::check(raw, at, &users, &doors.list, report);
    reachable(raw, at, report);
    let limits = limits(raw, at.field("limits"), report);
    let user = shell::user(raw.user.as_deref(), at.field("user"), report);
    let runner = commands::runner(raw, at, &doors.list, &user, report);

    let Report { errors, warnings } = std::mem::take(report);
    let files = keys.into_files();
    if !errors.is_empty() {
        return Err(Problems::new(files.path(), errors));
    }
    let loopback = match raw.loopback {
        Permission::Refused => Loopback::Refused,
        Permission::Allowed => Loopback::Allowed,
    };
    let policy = Policy::new(spa.policy, doors.list, users, sequences, loopback, limits);
    Ok(Config {
        name: raw.name.clone(),
        lists,
        gate_keys: raw.spa.iter().flat_map(|spa| spa.gate_keys.clone()).collect(),
        policy: legacy::complete(policy, legacy).into(),
        interfaces,
        firewall,
        create_tables: raw.create_tables,
        enable_pf: raw.enable_pf,
        directories,
        on_remove: raw.on_remove,
        user,
        runner,
        warnings: Problems::new(files.path(), warnings),
        files,
    })
}

fn limits(raw: &Configuration, at: Spot<'_>, report: &mut Report) -> Limits {
    let mut number = |field, wanted: Option<u32>, default, most| {
        let number = wanted.unwrap_or(default);
        shape::number(number, most, field, at.field(field), report)
    };
    Limits {
        max_leases: number("max_leases", raw.limits.max_leases, 10_000, 200_000),
        max_attempts: number("max_attempts", raw.limits.max_attempts, 65_536, 1_000_000),
    }
}

/// Whether there is a way to open every door, and a door behind every way.
fn reachable(raw: &Configuration, at: Spot<'_>, report: &mut Report) {
    if raw.doors.0.is_empty() {
        report.error(at.field("doors"), "there is no door, add one");
    }
    if raw.users.0.is_empty() && raw.sequences.0.is_empty() && raw.spa.is_none() {
        report.error(at, "nothing can open a door, add users or sequences");
        return;
    }
    if raw.users.0.is_empty() && raw.spa.is_some() {
        let text = "spa waits for tokens, but no user can send one: knockctl enroll";
        report.warn(at.field("spa"), text);
    }
    let named: std::collections::HashSet<&str> = raw
        .users
        .iter()
        .flat_map(|(_, _, user)| &user.doors)
        .chain(raw.sequences.iter().flat_map(|(_, _, sequence)| &sequence.opens))
        .map(String::as_str)
        .collect();
    for (ordinal, name, _) in raw.doors.iter() {
        if !named.contains(name) {
            let text = format!("nobody can open door {name}: no user and no sequence names it");
            report.warn(at.field("doors").entry(ordinal), text);
        }
    }
}
