//! hosts.ron: the servers of a user, and the keys for them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use ron::extensions::Extensions;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::ClientError;
use super::source::SourceSetting;
use crate::core::name;
use crate::core::text::unmarked;
use crate::keyfile;

/// The longest hosts.ron, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// One server, as hosts.ron describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The name or address to send to.
    pub address: String,
    /// The server's own name, pinned in the token.
    pub name: ServerName,
    /// The server's SPA port.
    pub port: NonZeroU16,
    /// File of the gate key; relative to hosts.ron's directory.
    pub gate_key: KeyPath,
    /// File of the user's key; relative to hosts.ron's directory.
    pub key: KeyPath,
    /// The address that tokens ask for.
    #[serde(default)]
    pub source: SourceSetting,
    /// The TCP ports of services, by the names of their doors.
    #[serde(default)]
    pub ports: BTreeMap<String, NonZeroU16>,
}

/// A server's name: 1 to 64 bytes of `a-z 0-9 . -`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerName(String);

impl ServerName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name::is_server(&name) {
            Ok(Self(name))
        } else {
            // Not shown: someone may have put a key here.
            Err("a server name is 1 to 64 of a-z 0-9 . -".into())
        }
    }
}

/// The path of a key file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyPath(PathBuf);

impl KeyPath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<String> for KeyPath {
    type Error = &'static str;

    /// Rejects a key in place of its file's name: an error would show it.
    fn try_from(path: String) -> Result<Self, &'static str> {
        if keyfile::looks_like_key(&path) {
            return Err("this looks like a key, write it to a file and name the file");
        }
        Ok(Self(path.into()))
    }
}

/// The servers by the names that their user gave them.
#[derive(Debug, Default)]
pub(super) struct Hosts(pub(super) BTreeMap<String, Host>);

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HostsVisitor)
    }
}

struct HostsVisitor;

impl<'de> Visitor<'de> for HostsVisitor {
    type Value = Hosts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of hosts, { \"name\": (...) }")
    }

    /// Reads a map, and rejects a second host of the same name: it would
    /// silently replace the first.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Hosts, A::Error> {
        let mut hosts = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if hosts.contains_key(&name) {
                return Err(A::Error::custom(format!("host {name} is defined twice")));
            }
            hosts.insert(name, map.next_value()?);
        }
        Ok(Hosts(hosts))
    }
}

impl Hosts {
    /// The host that its user calls `name`, or the only one with that address:
    /// ssh knows no other name.
    fn take(mut self, name: &str) -> Option<Host> {
        if let Some(host) = self.0.remove(name) {
            return Some(host);
        }
        let mut same = self.0.into_values().filter(|host| host.address == name);
        same.next().filter(|_| same.next().is_none())
    }
}

/// The user's home directory.
///
/// # Errors
/// When the environment names none.
pub fn home() -> Result<PathBuf, ClientError> {
    let home = env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    home.ok_or_else(|| ClientError::new("cannot find the directory ~: HOME is not set".into()))
}

/// The directory of the user's settings, `$XDG_CONFIG_HOME/knock` or
/// `~/.config/knock`.
///
/// # Errors
/// When the environment names no home.
pub fn directory() -> Result<PathBuf, ClientError> {
    // The XDG base directory specification ignores relative paths.
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("knock"))
        .ok_or_else(|| ClientError::new("cannot find ~/.config/knock: HOME is not set".into()))
}

/// The entry `name` of the hosts file `file`, its paths made ready to open.
///
/// # Errors
/// When the file cannot be read, is malformed (`file:line:column: text`), or
/// has no such entry. The text has an example when the file is missing.
pub fn find(file: &Path, name: &str) -> Result<Host, ClientError> {
    let text = read(file).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            format!("; write one, for example\n{{\n{}}}", example(name))
        } else {
            String::new()
        };
        ClientError::new(format!("cannot read {}: {error}{hint}", file.display()))
    })?;
    let mut host = parse(file, &text)?.take(name).ok_or_else(|| {
        ClientError::new(format!(
            "no host {name} in {}; add one, for example\n{}",
            file.display(),
            example(name)
        ))
    })?;
    let directory = file.parent().unwrap_or(Path::new(""));
    for path in [&mut host.gate_key, &mut host.key] {
        path.0 = match path.0.strip_prefix("~") {
            Ok(rest) => home()?.join(rest),
            Err(_) => directory.join(&path.0),
        };
    }
    Ok(host)
}

pub(super) fn read(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let length = File::open(file)?.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if length as u64 > MAX_LENGTH {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    let text = std::str::from_utf8(unmarked(&bytes));
    text.map(str::to_owned).map_err(std::io::Error::other)
}

pub(super) fn parse(file: &Path, text: &str) -> Result<Hosts, ClientError> {
    let options = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|error| {
        let (start, code) = (error.span.start, error.code);
        ClientError::new(format!("{}:{}:{}: {code}", file.display(), start.line, start.col))
    })
}

fn example(name: &str) -> String {
    format!(
        "    {name:?}: (
        address: \"gw1.example.org\",  // where to send
        name: \"gw1.example.org\",     // as the server calls itself
        port: 40123,                 // its SPA port
        gate_key: \"gw1.gate\",        // files in this directory
        key: \"id.key\",
    ),
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Hosts, String> {
        parse(Path::new("hosts.ron"), text).map_err(|error| error.to_string())
    }

    fn stanza(fields: &str) -> String {
        format!(
            "{{\n\"gw1\": (address: \"a\", name: \"a\", gate_key: \"g\", key: \"k\", {fields}),\n}}"
        )
    }

    #[test]
    fn the_example_is_a_host() {
        let hosts = parsed(&format!("{{\n{}}}", example("my gate"))).unwrap();
        let host = &hosts.0["my gate"];
        assert_eq!((host.port.get(), host.source), (40123, SourceSetting::Auto));
        assert_eq!(host.name.as_str(), "gw1.example.org");
    }

    #[test]
    fn the_source_is_found_out_unless_it_is_written() {
        assert_eq!(parsed(&stanza("port: 1")).unwrap().0["gw1"].source, SourceSetting::Auto);
        let bound = stanza("port: 1, source: Bound");
        assert_eq!(parsed(&bound).unwrap().0["gw1"].source, SourceSetting::Bound);
        let observed = stanza("port: 1, source: Observed");
        assert_eq!(parsed(&observed).unwrap().0["gw1"].source, SourceSetting::Observed);
    }

    #[test]
    fn mistakes_are_refused_where_they_stand() {
        for (text, expected) in [
            (stanza("port: 0"), "hosts.ron:2:"),
            (stanza("port: 65536"), "hosts.ron:2:"),
            (stanza("port: 1, prot: 2"), "hosts.ron:2:"),
            (stanza(""), "hosts.ron:2:"),
            (stanza("port: 1, source: Anywhere"), "hosts.ron:2:"),
            (stanza("port: 1").replace("name: \"a\"", "name: \"A b\""), "hosts.ron:2:"),
            (stanza("port: 1").replace("name: \"a\"", "name: \"\""), "hosts.ron:2:"),
            ("{\n\n  \"gw1\"; }".into(), "hosts.ron:3:8: "),
        ] {
            let error = parsed(&text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_file_is_refused_and_not_shown() {
        let key = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=";
        for field in ["name: \"a\"", "gate_key: \"g\"", "key: \"k\""] {
            let name = field.split(':').next().unwrap();
            let text = stanza("port: 1").replace(field, &format!("{name}: {key:?}"));
            let error = parsed(&text).unwrap_err();
            assert!(error.starts_with("hosts.ron:2:") && !error.contains("IiIi"), "{error}");
        }
    }

    #[test]
    fn a_host_listed_twice_is_refused() {
        let one = stanza("port: 1").replace(['{', '}'], "");
        assert!(parsed(&format!("{{{one}}}")).is_ok());
        let error = parsed(&format!("{{{one}{one}}}")).unwrap_err();
        assert!(error.contains("host gw1 is defined twice"), "{error}");
    }
}
