//! The stanza `users`.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use super::doors::Doors;
use super::keys::Keys;
use super::shape;
use super::spa::Spa;
use crate::config::date;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration, Source};
use crate::core::token::UserId;
use crate::core::user::{Credential, SourcePolicy, User};
use crate::keyfile::{self, Kind};

const MAX_USERS: usize = 10_000;
/// As many as the daemon may hold.
const MAX_LEASES: u32 = 200_000;

/// Checks the stanza and reads its secrets.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    doors: &Doors<'_>,
    spa: &Spa,
    keys: &mut Keys,
    report: &mut Report,
) -> Vec<User> {
    shape::names(&raw.users, "user", MAX_USERS, at, report);
    if !raw.users.0.is_empty() && raw.spa.is_none() {
        report.error(at, "users need spa, add spa: (port: .., gate_keys: [..])");
    }
    let mut owners: HashMap<UserId, &str> = HashMap::new();
    let mut list = Vec::new();
    for (ordinal, name, raw) in raw.users.iter().take(MAX_USERS) {
        let at = at.entry(ordinal);
        let user = user(name, raw, at, doors, keys, report);
        let Some(user) = user else { continue };
        let id = user.credential.id();
        let owner = *owners.entry(id).or_insert(name);
        if spa.gate_ids.contains(&id) {
            let text = "this secret is a gate key, which all clients have, make another";
            report.error(at.field("credential"), text);
        } else if owner != name {
            let owner = shape::quoted(owner);
            let text = format!("user {owner} has the same key, give each user one");
            report.error(at.field("credential"), text);
        }
        list.push(user);
    }
    list
}

fn user(
    name: &str,
    raw: &raw::User,
    at: Spot<'_>,
    doors: &Doors<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Option<User> {
    let credential = credential(&raw.credential, at.field("credential").item(0), keys, report);
    if raw.doors.is_empty() {
        report
            .warn(at.field("doors"), format!("user {} may open no door", shape::quoted(name)));
    }
    let doors = doors.find(&raw.doors, at.field("doors"), report);
    let not_after = raw.not_after.as_deref().and_then(|text| {
        let end = date::parse_end(text);
        if end.is_none() {
            let text = shape::quoted(text);
            let form = "a day as in \"2027-01-31\" or a second as in \"2027-01-31T12:00:00Z\"";
            report.error(at.field("not_after"), format!("not_after is {text}, must be {form}"));
        }
        end
    });
    let max_leases = raw.max_leases.unwrap_or(16);
    shape::number(max_leases, MAX_LEASES, "max_leases", at.field("max_leases"), report);
    let source = match raw.source {
        Source::Bound => SourcePolicy::Bound,
        Source::Observed => SourcePolicy::Observed,
        Source::Delegate => SourcePolicy::Delegate,
    };
    Some(User {
        name: name.to_owned(),
        credential: credential?,
        doors,
        source,
        not_after,
        max_leases,
    })
}

fn credential(
    raw: &raw::Credential,
    at: Spot<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Option<Credential> {
    match raw {
        raw::Credential::Secret(path) => {
            keys.read(path, Kind::Secret, at, report).map(Credential::Secret)
        }
        raw::Credential::Ed25519(text) => {
            let Some(public) = keyfile::public_from_text(text) else {
                // Not shown: someone may have put the private key here.
                report.error(at, "a public key must be the base64 of 32 bytes");
                return None;
            };
            let credential = Credential::ed25519(&public);
            if credential.is_err() {
                report.error(at, "this public key is weak, anybody could sign for it");
            }
            credential.ok()
        }
    }
}
