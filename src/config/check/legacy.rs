//! The stanza `legacy`, and the credentials of older programs.
#![forbid(unsafe_code)]

use super::keys::Keys;
use super::shape;
use crate::config::files::KeyContent;
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

/// Returns the UDP ports of tokens of older programs.
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

/// The port of a format. The default is that of the program.
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

/// Checks the stanza. Returns none if no user has an older program.
pub fn check(
    raw: &Configuration,
    at: Spot<'_>,
    users: &[User],
    doors: &[Door],
    report: &mut Report,
) -> Option<Legacy> {
    let at_stanza = at.field("legacy");
    let stanza = raw.legacy.as_ref();
    let max_skew = stanza.and_then(|stanza| stanza.max_skew.as_deref());
    let max_skew = shape::max_skew(max_skew, at_stanza, report);
    let at_users = at.field("users");
    let mut ways = Vec::new();
    for format in [Format::Fwknop, Format::Pyknock] {
        let keys = keys(format, raw, users, doors, at_users, report);
        if keys.is_empty() {
            continue;
        }
        if keys.len() > MAX_KEYS {
            let text = format!("more than {MAX_KEYS} users with {}", program(format));
            report.error(at_users, format!("{text}, give the others credentials of knockd"));
        }
        ways.push(Way { format, port: port(raw, format), keys });
    }
    check_ports(raw, &ways, at_stanza, report);
    if ways.is_empty() && stanza.is_some() {
        report.warn(at_stanza, "no user has a credential Fwknop or Pyknock, remove legacy");
    }
    (!ways.is_empty()).then_some(Legacy { ways, max_skew })
}

/// Returns the users of a format. Reports doors that they cannot open.
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
            let text = format!("user {name} cannot open door {} with fwknop", door.name);
            report.warn(at, format!("{text}, add ports to the door"));
        }
    }
    keys
}

fn check_ports(raw: &Configuration, ways: &[Way], at: Spot<'_>, report: &mut Report) {
    let mut taken: Vec<(u16, &str)> = raw.spa.iter().map(|spa| (spa.port, "spa")).collect();
    for way in ways {
        let field = field(way.format);
        shape::port(way.port, at.field(field), report);
        if let Some((port, other)) = taken.iter().find(|(port, _)| *port == way.port) {
            let text = format!("{field} is {port}, the port of {other}, use another");
            report.error(at.field(field), text);
        }
        taken.push((way.port, program(way.format)));
    }
}

/// Returns the credential of a user with an older program.
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
                keys.read_lines(path, KeyContent::Secret, parse, at, report)?;
            Box::new(fwknop::FwknopKey::new(encryption, hmac, digest, *legacy_digests))
        }
        raw::Credential::Pyknock(path) => {
            let parse = older_keys::pyknock;
            let key = keys.read_lines(path, KeyContent::Secret, parse, at, report)?;
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

/// Adds the older programs to the policy.
pub fn complete(policy: Policy, legacy: Option<Legacy>) -> Policy {
    policy.with_legacy(legacy)
}
