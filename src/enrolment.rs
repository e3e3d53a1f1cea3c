//! What a client must know of a server, as one line that can be pasted.
//!
//! `knockctl enroll` makes it and `knock --enroll` reads it. It holds the gate
//! key, so it is to travel by a private way.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use ron::Options;
use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::core::name;
use crate::core::user::SourcePolicy;
use crate::keyfile;

/// The longest line, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// The most doors in one line.
const MAX_DOORS: usize = 64;
/// What every line begins with.
const WORD: &str = "knock-enrolment-1";

/// What a client must know of a server.
pub struct Enrolment {
    /// The name or address to send to: 1 to 255 printable bytes without spaces.
    pub address: String,
    /// The server's own name.
    pub name: String,
    /// Its SPA port.
    pub port: NonZeroU16,
    /// Its gate key.
    pub gate_key: Zeroizing<[u8; 32]>,
    /// As the server calls the user.
    pub user: String,
    /// For which addresses the user may open.
    pub source: SourcePolicy,
    /// The doors, and the first TCP port of each.
    pub doors: BTreeMap<String, Option<NonZeroU16>>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    address: String,
    name: String,
    port: u16,
    gate_key: &'a str,
    user: String,
    source: SourcePolicy,
    doors: BTreeMap<String, Option<u16>>,
}

impl fmt::Debug for Enrolment {
    /// Not the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Enrolment");
        text.field("name", &self.name).field("user", &self.user).finish_non_exhaustive()
    }
}

fn options() -> Options {
    Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

impl Enrolment {
    /// As one line, without its end.
    ///
    /// # Errors
    /// When it would not be read again; which part is at fault.
    pub fn encode(&self) -> Result<Zeroizing<String>, &'static str> {
        let gate_key = keyfile::to_text(&self.gate_key);
        let line = Line {
            address: self.address.clone(),
            name: self.name.clone(),
            port: self.port.get(),
            gate_key: &gate_key,
            user: self.user.clone(),
            source: self.source,
            doors: self
                .doors
                .iter()
                .map(|(name, port)| (name.clone(), port.map(u16::from)))
                .collect(),
        };
        line.check()?;
        let text = options().to_string(&line).map_err(|_| "it cannot be written down")?;
        let text = Zeroizing::new(text);
        let line = Zeroizing::new(format!("{WORD} {}", &*text));
        if line.len() > MAX_LENGTH { Err("it is too long") } else { Ok(line) }
    }

    /// What [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// Which part is at fault; nothing of the line is repeated.
    pub fn decode(line: &str) -> Result<Self, &'static str> {
        let line = line.trim();
        if line.len() > MAX_LENGTH {
            return Err("it is too long");
        }
        let text = line.strip_prefix(WORD).ok_or(
            "it does not begin with knock-enrolment-1, paste what knockctl enroll prints",
        )?;
        let line: Line<'_> = options().from_str(text).map_err(
            |_| "it is damaged or not whole, paste all of what knockctl enroll prints",
        )?;
        line.check()?;
        let key = keyfile::from_text(line.gate_key).ok_or("gate_key is no key")?;
        let port = |port| NonZeroU16::new(port).ok_or("port 0 is no port");
        let ports = line.doors.into_iter().map(|(name, number)| {
            let number = number.map(port).transpose()?;
            Ok::<_, &'static str>((name, number))
        });
        Ok(Self {
            port: port(line.port)?,
            doors: ports.collect::<Result<_, _>>()?,
            address: line.address,
            name: line.name,
            gate_key: key,
            user: line.user,
            source: line.source,
        })
    }
}

impl Line<'_> {
    fn check(&self) -> Result<(), &'static str> {
        if !name::is_host(&self.address) {
            Err("address is no name or address to send to")
        } else if !name::is_server(&self.name) {
            Err("name is no server name")
        } else if !name::is_plain(&self.user) {
            Err("user is no name of a user")
        } else if self.doors.len() > MAX_DOORS
            || !self.doors.keys().all(|name| name::is_plain(name))
        {
            Err("doors are no names of doors, or too many")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn enrolment() -> Enrolment {
        Enrolment {
            address: "gw1.example.org".into(),
            name: "gw1".into(),
            port: NonZeroU16::new(40_123).unwrap(),
            gate_key: Zeroizing::new([7; 32]),
            user: "alice".into(),
            source: SourcePolicy::Observed,
            doors: [("ssh".into(), NonZeroU16::new(22)), ("vpn".into(), None)].into(),
        }
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        let line = enrolment().encode().unwrap();
        assert!(!line.contains('\n'));
        let again = Enrolment::decode(&format!("  {}\n", &*line)).unwrap();
        assert_eq!(*again.encode().unwrap(), *line);
        assert_eq!((again.source, *again.gate_key), (SourcePolicy::Observed, [7; 32]));
        assert_eq!(again.doors, enrolment().doors);
    }

    #[test]
    fn what_is_cut_off_or_changed_is_refused_and_not_repeated() {
        let line = enrolment().encode().unwrap();
        for end in 0..line.len() {
            assert!(Enrolment::decode(&line[..end]).is_err(), "{end} bytes");
        }
        let key = keyfile::to_text(&[7; 32]);
        for (from, to) in [
            ("gw1.example.org", "gw1 example"),
            ("gw1.example.org", "-oProxyCommand"),
            ("\"gw1\"", "\"Gw1\""),
            ("40123", "0"),
            ("40123", "70000"),
            ("alice", "Alice"),
            ("ssh", "s h"),
            ("Observed", "Anywhere"),
            (key.as_str(), "AAAA"),
            ("user", "password"),
        ] {
            let changed = line.replace(from, to);
            assert_ne!(changed, *line);
            let error = Enrolment::decode(&changed).unwrap_err();
            assert!(!error.contains(key.as_str()), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}") {
            prop_assert!(Enrolment::decode(&text).is_err());
            let line = format!("{WORD} {text}");
            prop_assert!(Enrolment::decode(&line).is_err());
        }
    }
}
