//! Checks the meaning of a configuration, with a file for each stanza.
//!
//! A check reports an error and continues with a harmless value, so that all
//! errors are found at once. After an error none of these values is used.
#![forbid(unsafe_code)]

use super::files::{Files, KeySource};
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
mod daemon;
mod doors;
mod keys;
#[cfg(feature = "legacy")]
mod legacy;
#[cfg(not(feature = "legacy"))]
mod no_legacy;
mod sequences;
mod shape;
mod spa;
mod users;
pub mod weakness;

#[cfg(not(feature = "legacy"))]
use no_legacy as legacy;

/// Checks the whole configuration.
pub(super) fn configuration(
    raw: &Configuration,
    at: Spot<'_>,
    source: KeySource,
    files: Files,
) -> Result<Config, Problems> {
    let report = &mut Report::default();
    if !name::is_server(&raw.name) {
        let text = "the name of the server must be 1 to 64 bytes of a-z 0-9 . and -";
        report.error(at.field("name"), text);
    }
    let interfaces = daemon::interfaces(raw, at, report);
    let firewall = daemon::firewall(raw.firewall.as_ref(), at.field("firewall"), report);
    daemon::abilities(raw, at, firewall.backend(), report);
    let directories = daemon::directories(&raw.directories, at, files.directory(), report);
    let mut keys = keys::Keys::new(&directories.secrets, source, files);
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
    let user = raw.user.as_deref().unwrap_or(daemon::USER);
    shape::account(user, at.field("user"), report);
    let runner = commands::runner(raw, at, &doors.list, user, report);

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
        user: user.to_owned(),
        runner,
        warnings: Problems::new(files.path(), warnings),
        files,
    })
}

fn limits(raw: &Configuration, at: Spot<'_>, report: &mut Report) -> Limits {
    let mut number = |written: Option<u32>, default, most, field| {
        shape::number(written.unwrap_or(default), most, field, at, report)
    };
    Limits {
        max_leases: number(raw.limits.max_leases, 10_000, 200_000, "max_leases"),
        max_attempts: number(raw.limits.max_attempts, 65_536, 1_000_000, "max_attempts"),
    }
}

/// Checks that there are doors, and that each can be opened.
fn reachable(raw: &Configuration, at: Spot<'_>, report: &mut Report) {
    if raw.doors.0.is_empty() {
        report.error(at.field("doors"), "there is no door, add one");
    }
    if raw.users.0.is_empty() && raw.sequences.0.is_empty() && raw.spa.is_none() {
        report.error(at, "nothing can open a door, add users or sequences");
        return;
    }
    if raw.users.0.is_empty() && raw.spa.is_some() {
        let text = "spa needs users, add one with knockctl enroll";
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
