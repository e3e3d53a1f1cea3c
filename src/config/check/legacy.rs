//! The stanza `legacy`, and the credentials of older programs.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::keys::Keys;
use super::shape;
use crate::config::files::Content;
use crate::config::older_keys;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Configuration, Hmac};
use crate::core::credential::{Credential, CredentialKey};
use crate::core::door::Door;
use crate::core::gate::MAX_CLAIMS;
use crate::core::legacy::{self, Digest, Format, Legacy, MAX_KEYS, Way, fwknop, pyknock};
use crate::core::policy::Policy;
use crate::core::user::{CredentialIndex, User, UserIndex};

const MAX_SKEW: Duration = Duration::from_secs(30);

/// The UDP ports that such packets come to.
pub fn ports(raw: &Configuration) -> impl Iterator<Item = u16> {
    [Format::Fwknop, Format::Pyknock]
        .into_iter()
        .filter(|format| {
            let mut users = raw.users.iter();
            users.any(|(_, _, user)| format_of(&user.credential) == Some(*format))
        })
        .map(|format| port(raw, format))
}

const fn format_of(credential: &raw::Credential) -> Option<Format> {
    match credential {
        raw::Credential::Fwknop { .. } => Some(Format::Fwknop),
        raw::Credential::Pyknock(_) => Some(Format::Pyknock),
        _ => None,
    }
}

/// The port that clients of this format send to, theirs unless written.
fn port(raw: &Configuration, format: Format) -> u16 {
    let raw = raw.legacy.as_ref();
    match format {
        Format::Fwknop => raw.and_then(|raw| raw.fwknop_port).unwrap_or(fwknop::PORT),
        Format::Pyknock => raw.and_then(|raw| raw.pyknock_port).unwrap_or(pyknock::PORT),
    }
}

/// The field that names the port.
const fn field(format: Format) -> &'static str {
    match format {
        Format::Fwknop => "fwknop_port",
        Format::Pyknock => "pyknock_port",
    }
}

const fn program(format: Format) -> &'static str {
    match format {
        Format::Fwknop => "fwknop",
        Format::Pyknock => "pyknock",
    }
}

/// Checks the stanza; none without users whose packets may come.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    users: &[User],
    doors: &[Door],
    report: &mut Report,
) -> Option<Legacy> {
    let at_stanza = at.field("legacy");
    let stanza = raw.legacy.as_ref();
    let max_skew = shape::span(
        stanza.and_then(|stanza| stanza.max_skew.as_deref()),
        MAX_SKEW,
        Duration::from_secs(1)..=Duration::from_secs(600),
        at_stanza.field("max_skew"),
        "max_skew",
        report,
    );
    let at_users = at.field("users");
    let mut ways = Vec::new();
    for format in [Format::Fwknop, Format::Pyknock] {
        let keys = keys(format, raw, users, doors, at_users, report);
        if keys.is_empty() {
            continue;
        }
        if keys.len() > MAX_KEYS {
            let text = format!("more than {MAX_KEYS} users come by {}", program(format));
            report.error(at_users, format!("{text}, give the others keys of our own"));
        }
        ways.push(Way { format, port: port(raw, format), keys });
    }
    check_ports(raw, &ways, at_stanza, report);
    if ways.is_empty() && stanza.is_some() {
        report.warn(at_stanza, "no user has a credential Fwknop or Pyknock, remove it");
    }
    (!ways.is_empty()).then_some(Legacy { ways, max_skew })
}

/// Whose keys are tried; what such a user could never open is reported.
fn keys(
    format: Format,
    raw: &Configuration,
    users: &[User],
    doors: &[Door],
    at: Spot<'_>,
    report: &mut Report,
) -> Vec<(UserIndex, CredentialIndex)> {
    let mut keys = Vec::new();
    for ((ordinal, name, raw), (index, user)) in raw.users.iter().zip((0..).zip(users)) {
        if format_of(&raw.credential) != Some(format) {
            continue;
        }
        keys.push((UserIndex(index), CredentialIndex(0)));
        let at = at.entry(ordinal).field("doors");
        let name = shape::quoted(name);
        if format == Format::Pyknock && user.doors.len() > MAX_CLAIMS {
            let text = format!("pyknock opens all doors of user {name} at once");
            report.error(at, format!("{text}, name at most {MAX_CLAIMS}"));
        }
        let own = user.doors.iter().filter_map(|door| doors.get(usize::from(door.0)));
        for door in own.filter(|door| format == Format::Fwknop && door.ports.is_empty()) {
            let text = format!("user {name} cannot ask for door {} by fwknop", door.name);
            report.warn(at, format!("{text}, give the door ports"));
        }
    }
    keys
}

fn check_ports(raw: &Configuration, ways: &[Way], at: Spot<'_>, report: &mut Report) {
    let mut taken: Vec<(u16, &str)> = raw.spa.iter().map(|spa| (spa.port, "spa")).collect();
    for way in ways {
        let field = field(way.format);
        if way.port == 0 {
            report.error(at.field(field), "port 0 is no port, use 1 to 65535");
        }
        if let Some((port, other)) = taken.iter().find(|(port, _)| *port == way.port) {
            let text = format!("{field} is {port}, as the port of {other}, use another");
            report.error(at.field(field), text);
        }
        taken.push((way.port, program(way.format)));
    }
}

/// The credential of a user whose client is an older program.
pub fn credential(
    raw: &raw::Credential,
    at: Spot<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Option<Credential> {
    let key: Box<dyn legacy::OlderKey> = match raw {
        raw::Credential::Fwknop { keys: path, hmac, legacy_digests } => {
            let digest = digest(*hmac);
            if digest.is_broken() && !legacy_digests {
                let text = "MD5 and SHA-1 are broken, use Sha256 here and in the client, \
                            or write legacy_digests: true";
                report.error(at, text);
            }
            let parse = older_keys::fwknop;
            let (encryption, hmac) =
                keys.read_lines(path, Content::Secret, parse, at, report)?;
            Box::new(fwknop::FwknopKey::new(encryption, hmac, digest, *legacy_digests))
        }
        raw::Credential::Pyknock(path) => {
            let parse = older_keys::pyknock;
            let key = keys.read_lines(path, Content::Secret, parse, at, report)?;
            Box::new(pyknock::PyknockKey::new(key))
        }
        _ => return None,
    };
    Some(CredentialKey::Older(key).into())
}

const fn digest(raw: Hmac) -> Digest {
    match raw {
        Hmac::Md5 => Digest::Md5,
        Hmac::Sha1 => Digest::Sha1,
        Hmac::Sha256 => Digest::Sha256,
        Hmac::Sha384 => Digest::Sha384,
        Hmac::Sha512 => Digest::Sha512,
        Hmac::Sha3_256 => Digest::Sha3_256,
        Hmac::Sha3_512 => Digest::Sha3_512,
    }
}

/// The policy that lets such packets in.
pub fn complete(policy: Policy, legacy: Option<Legacy>) -> Policy {
    policy.with_legacy(legacy)
}
