//! What a client needs to know about a server, as one line to paste.
//!
//! `knockctl enroll` prints it and `knock --enroll` reads it. It contains the gate
//! key, so it is secret.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use ron::Options;
use ron::extensions::Extensions;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::core::name;
use crate::core::user::SourcePolicy;
use crate::keyfile::{self, KeyBytes};

/// The longest line, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// The most doors in one line.
const MAX_DOORS: usize = 64;
/// The first word of every line.
const WORD: &str = "knock-enrolment-1";
const TOO_LONG: &str = "it exceeds 4096 bytes";

/// What a client needs to know about a server.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The name or address to send to: 1 to 255 printable bytes without spaces.
    pub address: String,
    /// The server's name, which tokens contain.
    pub name: String,
    /// The SPA port.
    pub port: NonZeroU16,
    /// The gate key.
    #[serde(serialize_with = "write_key", deserialize_with = "read_key")]
    pub gate_key: KeyBytes,
    /// The user's name on the server.
    pub user: String,
    /// The addresses that the user may open doors for.
    pub source: SourcePolicy,
    /// The doors, each with its first TCP port.
    pub doors: BTreeMap<String, Option<NonZeroU16>>,
}

impl fmt::Debug for Enrolment {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Enrolment");
        text.field("name", &self.name).field("user", &self.user).finish_non_exhaustive()
    }
}

fn write_key<S: Serializer>(key: &KeyBytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&keyfile::to_text(key))
}

fn read_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyBytes, D::Error> {
    keyfile::from_text(<&str>::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(""))
}

fn options() -> Options {
    Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

impl Enrolment {
    /// Returns the line, without a line break.
    ///
    /// # Errors
    /// The part that [`decode`](Self::decode) would reject.
    pub fn encode(&self) -> Result<Zeroizing<String>, &'static str> {
        self.check()?;
        let text = options().to_string(self).map_err(|_| "it cannot be written as RON")?;
        let text = Zeroizing::new(text);
        let line = Zeroizing::new(format!("{WORD} {}", &*text));
        if line.len() > MAX_LENGTH { Err(TOO_LONG) } else { Ok(line) }
    }

    /// Reads a line that [`encode`](Self::encode) returned.
    ///
    /// # Errors
    /// The part that is wrong, without the content of the line.
    pub fn decode(line: &str) -> Result<Self, &'static str> {
        let line = line.trim();
        if line.len() > MAX_LENGTH {
            return Err(TOO_LONG);
        }
        let text = line.strip_prefix(WORD).ok_or(
            "it does not begin with knock-enrolment-1, paste what knockctl enroll prints",
        )?;
        let enrolment: Self = options().from_str(text).map_err(
            |_| "it is damaged or incomplete, paste all that knockctl enroll prints",
        )?;
        enrolment.check()?;
        Ok(enrolment)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !name::is_host(&self.address) {
            Err("invalid host name or address")
        } else if !name::is_server(&self.name) {
            Err("invalid server name")
        } else if !name::is_plain(&self.user) {
            Err("invalid user name")
        } else if self.doors.len() > MAX_DOORS {
            Err("more than 64 doors")
        } else if !self.doors.keys().all(|name| name::is_plain(name)) {
            Err("invalid door name")
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
    fn an_encoded_line_is_decoded_to_the_same() {
        let line = enrolment().encode().unwrap();
        assert!(!line.contains('\n'));
        let again = Enrolment::decode(&format!("  {}\n", &*line)).unwrap();
        assert_eq!(*again.encode().unwrap(), *line);
        assert_eq!((again.source, *again.gate_key), (SourcePolicy::Observed, [7; 32]));
        assert_eq!(again.doors, enrolment().doors);
    }

    #[test]
    fn a_line_that_is_cut_or_changed_is_rejected_without_its_key() {
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
