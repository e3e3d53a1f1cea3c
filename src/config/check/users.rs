//! The stanza `users`.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::doors::CheckedDoors;
use super::keys::Keys;
use super::legacy;
use super::shape;
use super::spa::CheckedSpa;
use crate::config::authorized::{self, MAX_NETWORKS};
use crate::config::date;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration};
use crate::core::address::Networks;
use crate::core::credential::Credential;
use crate::core::credential::ed25519::Ed25519;
use crate::core::credential::secret::Secret;
use crate::core::printable;
use crate::core::time::Wall;
use crate::core::token::UserId;
use crate::core::user::{PROOFS_PER_SECOND, User};
use crate::keyfile::{self, KeyKind};

const MAX_USERS: usize = 10_000;
/// The most leases of the whole daemon.
const MAX_LEASES: u32 = 200_000;
/// Bytes.
const MAX_NOTE: usize = 200;
const MAX_PROOFS: u32 = 1_000;
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Checks the stanza and reads its secrets.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    doors: &CheckedDoors<'_>,
    spa: &CheckedSpa,
    keys: &mut Keys,
    report: &mut Report,
) -> Vec<User> {
    shape::names(&raw.users, "user", MAX_USERS, at, report);
    let has_native = raw.users.iter().any(|(_, _, user)| is_native(&user.credential));
    if has_native && raw.spa.is_none() {
        report.error(at, "users need spa, add spa: (port: .., gate_keys: [..])");
    }
    let mut owners: HashMap<UserId, &str> = HashMap::new();
    let mut list = Vec::new();
    for (ordinal, name, raw) in raw.users.iter().take(MAX_USERS) {
        let at = at.entry(ordinal);
        let user = user(name, raw, at, doors, keys, report);
        let mut own = HashSet::new();
        for id in user.credentials.iter().map(Credential::id) {
            let owner = *owners.entry(id).or_insert(name);
            if spa.gate_ids.contains(&id) {
                let text = "this secret is a gate key, which all clients have, create another";
                report.error(at.field("credential"), text);
            } else if owner != name {
                let owner = shape::quoted(owner);
                let text = format!("user {owner} already has this key, give each user one");
                report.error(at.field("credential"), text);
            } else if !own.insert(id) {
                report.error(at.field("credential"), "this key appears twice, remove one");
            }
        }
        list.push(user);
    }
    list
}

fn user(
    name: &str,
    raw: &raw::User,
    at: Spot<'_>,
    doors: &CheckedDoors<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> User {
    let at_credential = at.field("credential");
    let at_credential = match raw.credential {
        raw::Credential::Fwknop { .. } => at_credential.field("keys"),
        _ => at_credential.item(0),
    };
    let credentials = credentials(&raw.credential, at_credential, keys, report);
    if raw.doors.is_empty() {
        report
            .warn(at.field("doors"), format!("user {} may open no door", shape::quoted(name)));
    }
    let not_before =
        time(raw.not_before.as_deref(), date::parse_start, "not_before", at, report);
    let not_after = time(raw.not_after.as_deref(), date::parse_end, "not_after", at, report);
    if let (Some(start), Some(end)) = (not_before, not_after)
        && start > end
    {
        report.error(at.field("not_after"), "not_after is before not_before");
    }
    let mut number = |written: Option<u32>, default, most, field| {
        shape::number(written.unwrap_or(default), most, field, at, report)
    };
    let max_leases = number(raw.max_leases, 16, MAX_LEASES, "max_leases");
    let proofs_per_second =
        number(raw.proofs_per_second, PROOFS_PER_SECOND, MAX_PROOFS, "proofs_per_second");
    User {
        name: name.to_owned(),
        credentials,
        doors: doors.find(&raw.doors, at.field("doors"), report),
        source: raw.source,
        networks: networks(&raw.networks, at.field("networks"), report),
        not_before,
        not_after,
        max_open_for: longest(raw.max_open_for.as_deref(), at, report),
        max_leases,
        proofs_per_second,
        note: note(&raw.note, at, report),
    }
}

/// Returns the time of a field, as `parse` reads it.
fn time(
    text: Option<&str>,
    parse: fn(&str) -> Option<Wall>,
    field: &str,
    at: Spot<'_>,
    report: &mut Report,
) -> Option<Wall> {
    let text = text?;
    let time = parse(text);
    if time.is_none() {
        let text = shape::quoted(text);
        let form = "a day as in \"2027-01-31\" or a second as in \"2027-01-31T12:00:00Z\"";
        report.error(at.field(field), format!("{field} is {text}, must be {form}"));
    }
    time
}

fn networks(raw: &[String], at: Spot<'_>, report: &mut Report) -> Networks {
    let mut allowed = Vec::with_capacity(raw.len().min(MAX_NETWORKS));
    for (ordinal, text) in raw.iter().enumerate().take(MAX_NETWORKS) {
        match authorized::network(text) {
            Ok(network) => allowed.push(network),
            Err(why) => report.error(at.item(ordinal), format!("networks {why}")),
        }
    }
    if raw.len() > MAX_NETWORKS {
        report.error(at, format!("more than {MAX_NETWORKS} networks, join some"));
    }
    Networks { allowed, denied: Vec::new() }
}

fn longest(text: Option<&str>, at: Spot<'_>, report: &mut Report) -> Option<Duration> {
    let range = Duration::from_secs(1)..=LONGEST;
    text?;
    Some(shape::span(text, LONGEST, range, "max_open_for", at, report))
}

fn note(raw: &str, at: Spot<'_>, report: &mut Report) -> String {
    if raw.len() > MAX_NOTE || raw.chars().any(printable::is_unprintable) {
        let text = format!("note must be one line of at most {MAX_NOTE} bytes");
        report.error(at.field("note"), text);
    } else if keyfile::looks_like_key(raw) {
        let text = "this seems to be a key: store keys in files, and replace this one, it may \
                    have been seen";
        report.error(at.field("note"), text);
    }
    raw.to_owned()
}

/// Returns the credentials of a user; none after an error.
fn credentials(
    raw: &raw::Credential,
    at: Spot<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Vec<Credential> {
    match raw {
        raw::Credential::Secret(path) => {
            let secret = keys.read(path, KeyKind::Secret, at, report);
            secret.map(|secret| Secret(secret).into()).into_iter().collect()
        }
        raw::Credential::Ed25519(text) => ed25519(text, at, report).into_iter().collect(),
        raw::Credential::AuthorizedKey(line) => match authorized::parse_line(line) {
            Ok(credential) => vec![credential],
            Err(why) => {
                report.error(at, why);
                Vec::new()
            }
        },
        raw::Credential::AuthorizedKeys(path) => keys.read_authorized(path, at, report),
        raw::Credential::Fwknop { .. } | raw::Credential::Pyknock(_) => {
            legacy::credential(raw, at, keys, report).into_iter().collect()
        }
    }
}

/// Whether its tokens have the format of spa(7).
const fn is_native(credential: &raw::Credential) -> bool {
    !matches!(credential, raw::Credential::Fwknop { .. } | raw::Credential::Pyknock(_))
}

fn ed25519(text: &str, at: Spot<'_>, report: &mut Report) -> Option<Credential> {
    let Some(public) = keyfile::public_from_text(text) else {
        // Not shown: someone may have written the private key.
        report.error(at, "a public key must be 32 bytes in base64");
        return None;
    };
    let key = Ed25519::new(&public);
    if key.is_err() {
        report.error(at, authorized::WEAK);
    }
    key.ok().map(Credential::from)
}
