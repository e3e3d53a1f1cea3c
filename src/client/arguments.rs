//! The command line of `knock`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::access::Wish;
use super::own_address;
use super::rolling::Course;
use super::send::Families;
use super::task::{Action, Named, Task, Then, Token};
use crate::core::sequence::MAX_STEPS;
use crate::core::sighting::{Port, Protocol};
use crate::core::{duration, name, port};
use crate::keyfile::KeyKind;

/// How long to wait for a door: longer than a first start refuses tokens.
const TIMEOUT: Duration = Duration::from_secs(60);

const USAGE: &str = "knock [-46v] [-c FILE] [--for TIME] [--address ADDR] HOST DOOR
       knock --wait [-46v] [--port PORT] [--timeout TIME] HOST DOOR
       knock --proxy [-46v] [--port PORT] [--timeout TIME] HOST DOOR
       knock [-46uv] [-d MS] HOST PORT[:tcp|:udp]...
       knock --rolling FILE [-46v] [-d MS] [--ports FIRST-LAST] [--steps N] [--period TIME] HOST
       knock --enroll [-c FILE] [--key FILE] [HOST] < LINE
       knock --keygen [--secret] [FILE]
       knock --keygen --gate FILE";

/// Options that neither --keygen nor --enroll takes.
const NOT_FOR_KEYS: [&str; 12] = [
    "v4",
    "v6",
    "delay",
    "lifetime",
    "udp",
    "address",
    "address_command",
    "wait",
    "proxy",
    "port",
    "timeout",
    "Course",
];

/// Opens a door of a server that knockd guards
#[derive(Debug, Parser)]
#[command(name = "knock", version, override_usage = USAGE)]
struct Arguments {
    /// Use IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// Use IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// Hosts file [default: ~/.config/knock/hosts.ron]
    #[arg(short = 'c', value_name = "FILE")]
    hosts: Option<PathBuf>,
    /// Milliseconds between two knocks
    #[arg(short, value_name = "MS")]
    delay: Option<u32>,
    /// Ask for the door to stay open this long: 90, 90s, 8h, 1h30m
    #[arg(long = "for", value_name = "TIME", value_parser = duration::argument)]
    lifetime: Option<Duration>,
    /// Knock over UDP unless a port is marked tcp
    #[arg(short)]
    udp: bool,
    /// Print what is sent
    #[arg(short)]
    verbose: bool,
    /// Ask for this address
    #[arg(long, value_name = "ADDR", value_parser = own_address::parse)]
    address: Option<IpAddr>,
    /// Ask for the address that this shell command prints
    #[arg(long, value_name = "CMD", conflicts_with = "address")]
    address_command: Option<String>,
    /// Send tokens until the door answers
    #[arg(long)]
    wait: bool,
    /// The same, then relay standard input and output: for ProxyCommand
    #[arg(long, conflicts_with = "wait")]
    proxy: bool,
    /// TCP port of the service [default: from the hosts file]
    #[arg(long, value_name = "PORT")]
    port: Option<NonZeroU16>,
    /// How long to wait for the door [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration::argument)]
    timeout: Option<Duration>,
    #[command(flatten)]
    rolling: Option<Course>,
    /// Add a server from the line that knockctl enroll printed
    #[arg(long, conflicts_with_all = NOT_FOR_KEYS, conflicts_with = "keygen")]
    enroll: bool,
    /// The user's key [default: ~/.config/knock/id.key or ~/.ssh/id_ed25519]
    #[arg(long, value_name = "FILE", requires = "enroll")]
    key: Option<PathBuf>,
    /// Create a user key, print its public half
    #[arg(long, conflicts_with_all = NOT_FOR_KEYS, conflicts_with = "hosts")]
    keygen: bool,
    /// Create a secret to share with the server instead
    #[arg(long, requires = "keygen", conflicts_with = "gate")]
    secret: bool,
    /// Create a gate key instead
    #[arg(long, requires = "keygen")]
    gate: bool,
    /// HOST, then DOOR or ports; with --keygen the new key file
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

impl Task {
    /// Parses the command line, whose first word is the program.
    ///
    /// # Errors
    /// A usage error, or what `--help` and `--version` print, for clap to
    /// show.
    pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments = Arguments::try_parse_from(line)?;
        let families = match (arguments.v4, arguments.v6) {
            (true, _) => Families::V4,
            (_, true) => Families::V6,
            _ => Families::Both,
        };
        let verbose = arguments.verbose;
        let action = arguments
            .action()
            .map_err(|(kind, text)| Arguments::command().error(kind, text))?;
        Ok(Self { action, families, verbose })
    }
}

type Misuse = (ErrorKind, String);

impl Arguments {
    fn action(self) -> Result<Action, Misuse> {
        if self.keygen {
            return self.keygen();
        }
        if self.enroll {
            if let Some(word) = self.words.get(1) {
                let text = format!("unexpected argument {word:?}");
                return Err((ErrorKind::UnknownArgument, text));
            }
            let name = self.words.into_iter().next();
            return Ok(Action::Enroll { hosts: self.hosts, key: self.key, name });
        }
        if let Some(course) = &self.rolling {
            return self.rolling(course);
        }
        let mut words = self.words.iter();
        let (Some(host), Some(first)) = (words.next(), words.next()) else {
            let text = "name a HOST, and a DOOR or ports";
            return Err((ErrorKind::MissingRequiredArgument, text.into()));
        };
        // The name of a door starts with a letter.
        if first.starts_with(|first: char| first.is_ascii_digit()) {
            self.sequence(host)
        } else if name::is_plain(first) {
            self.token(host, first)
        } else {
            let text = format!("{first:?} is neither a port nor a door name like ssh");
            Err((ErrorKind::InvalidValue, text))
        }
    }

    fn token(&self, host: &str, door: &str) -> Result<Action, Misuse> {
        if self.udp || self.delay.is_some() {
            let text = "-u and -d go with ports, not with a door";
            return Err((ErrorKind::ArgumentConflict, text.into()));
        }
        if let Some(word) = self.words.get(2) {
            let text = format!("unexpected argument {word:?}");
            return Err((ErrorKind::UnknownArgument, text));
        }
        let then = self.then()?;
        let named = match (self.address, &self.address_command) {
            (Some(address), _) => Some(Named::Address(address)),
            (None, Some(command)) => Some(Named::Command(command.clone())),
            (None, None) => None,
        };
        let ask = Wish { door: door.into(), lifetime: self.lifetime };
        let hosts = self.hosts.clone();
        Ok(Action::Token(Token { host: host.into(), ask, hosts, named, then }))
    }

    fn then(&self) -> Result<Option<Then>, Misuse> {
        if self.wait || self.proxy {
            let timeout = self.timeout.unwrap_or(TIMEOUT);
            return Ok(Some(Then { relay: self.proxy, port: self.port, timeout }));
        }
        if self.port.is_some() || self.timeout.is_some() {
            let text = "--port and --timeout go with --wait or --proxy";
            return Err((ErrorKind::MissingRequiredArgument, text.into()));
        }
        Ok(None)
    }

    fn rolling(&self, course: &Course) -> Result<Action, Misuse> {
        let [host] = &self.words[..] else {
            let text = "--rolling needs one HOST, and no door or ports";
            return Err((ErrorKind::WrongNumberOfValues, text.into()));
        };
        self.no_door_options()?;
        let (host, course) = (host.clone(), course.clone());
        Ok(Action::Rolling { host, course, delay: self.delay() })
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.unwrap_or(0).into())
    }

    /// Rejects options of tokens where ports are knocked.
    fn no_door_options(&self) -> Result<(), Misuse> {
        let is_for_door = self.hosts.is_some()
            || self.lifetime.is_some()
            || self.address.is_some()
            || self.address_command.is_some()
            || self.wait
            || self.proxy;
        if is_for_door {
            let text = "only the options -46, -d, -u and -v go with ports";
            return Err((ErrorKind::ArgumentConflict, text.into()));
        }
        Ok(())
    }

    fn sequence(&self, host: &str) -> Result<Action, Misuse> {
        self.no_door_options()?;
        let default = if self.udp { Protocol::Udp } else { Protocol::Tcp };
        let knocks = self.words[1..]
            .iter()
            .map(|word| knock(word, default))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|text| (ErrorKind::InvalidValue, text))?;
        if knocks.len() > MAX_STEPS {
            let text = format!("a sequence has at most {MAX_STEPS} knocks");
            return Err((ErrorKind::TooManyValues, text));
        }
        Ok(Action::Sequence { host: host.into(), knocks, delay: self.delay() })
    }

    fn keygen(self) -> Result<Action, Misuse> {
        let kind = match (self.secret, self.gate) {
            (true, _) => KeyKind::Secret,
            (_, true) => KeyKind::Gate,
            _ => KeyKind::Ed25519,
        };
        let mut words = self.words.into_iter();
        let file = words.next().map(PathBuf::from);
        if let Some(word) = words.next() {
            let text = format!("unexpected argument {word:?}");
            return Err((ErrorKind::UnknownArgument, text));
        }
        if kind == KeyKind::Gate && file.is_none() {
            let text = "--gate needs a FILE to create";
            return Err((ErrorKind::MissingRequiredArgument, text.into()));
        }
        Ok(Action::Keygen { kind, file })
    }
}

fn knock(word: &str, default: Protocol) -> Result<Port, String> {
    port::parse(word, default).ok_or_else(|| {
        format!("invalid knock {word}: write PORT, PORT:tcp or PORT:udp, 1 to 65535")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(line: &str) -> Result<Task, ErrorKind> {
        let words = format!("knock {line}");
        Task::parse(words.split_whitespace().map(OsString::from)).map_err(|error| error.kind())
    }

    #[test]
    fn a_word_that_starts_with_a_letter_is_a_door() {
        assert_eq!(task("gw1 ssh").unwrap().action, token(None, None));
    }

    fn token(named: Option<Named>, then: Option<Then>) -> Action {
        let ask = Wish { door: "ssh".into(), lifetime: None };
        Action::Token(Token { host: "gw1".into(), ask, hosts: None, named, then })
    }

    #[test]
    fn a_door_is_waited_for_on_demand() {
        let then = |relay, port, seconds| {
            let timeout = Duration::from_secs(seconds);
            Some(Then { relay, port: NonZeroU16::new(port), timeout })
        };
        for (line, then) in [
            ("--wait gw1 ssh", then(false, 0, 60)),
            ("--wait --port 2222 --timeout 2m gw1 ssh", then(false, 2222, 120)),
            ("--proxy gw1 ssh", then(true, 0, 60)),
        ] {
            assert_eq!(task(line).unwrap().action, token(None, then), "{line}");
        }
        let named = Some(Named::Address("192.0.2.7".parse().unwrap()));
        assert_eq!(task("--address 192.0.2.7 gw1 ssh").unwrap().action, token(named, None));
    }

    #[test]
    fn words_that_start_with_digits_are_a_sequence() {
        let port = |protocol, number| Port { protocol, number };
        let knocks = vec![
            port(Protocol::Tcp, 8000),
            port(Protocol::Udp, 7000),
            port(Protocol::Tcp, 9000),
        ];
        let action =
            Action::Sequence { host: "::1".into(), knocks, delay: Duration::from_millis(5) };
        assert_eq!(task("-d 5 ::1 8000 7000:udp 9000").unwrap().action, action);
        assert_eq!(task("-u -d 5 ::1 8000:tcp 7000 9000:tcp").unwrap().action, action);
    }

    #[test]
    fn the_families_are_both_unless_one_is_named() {
        assert_eq!(task("gw1 ssh").unwrap().families, Families::Both);
        assert_eq!(task("-4 gw1 ssh").unwrap().families, Families::V4);
        assert_eq!(task("-6 gw1 ssh").unwrap().families, Families::V6);
    }

    #[test]
    fn keys_are_made_where_the_user_says() {
        let keygen =
            |kind, file: Option<&str>| Action::Keygen { kind, file: file.map(PathBuf::from) };
        for (line, action) in [
            ("--keygen", keygen(KeyKind::Ed25519, None)),
            ("--keygen my.key", keygen(KeyKind::Ed25519, Some("my.key"))),
            ("--keygen --secret", keygen(KeyKind::Secret, None)),
            ("--keygen --gate gw1.gate", keygen(KeyKind::Gate, Some("gw1.gate"))),
        ] {
            assert_eq!(task(line).unwrap().action, action, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        let many = format!("gw1{}", " 7000".repeat(MAX_STEPS + 1));
        for line in [
            "",
            "gw1",
            "gw1 -ssh",
            "gw1 _ssh",
            "gw1 ssh http",
            "gw1 7000 ssh",
            "gw1 0",
            "gw1 7000:sctp",
            "-u gw1 ssh",
            "--port 22 gw1 ssh",
            "--timeout 5s gw1 ssh",
            "--wait --proxy gw1 ssh",
            "--wait gw1 7000",
            "--wait --port 0 gw1 ssh",
            "--address 192.0.2.7 gw1 7000",
            "--address 224.0.0.1 gw1 ssh",
            "--address gw2 gw1 ssh",
            "--keygen --wait",
            "-d 5 gw1 ssh",
            "-c f gw1 7000",
            "--for 5m gw1 7000",
            &many,
            "-4 -6 gw1 ssh",
            "--for 0 gw1 ssh",
            "--secret gw1 ssh",
            "--keygen --gate",
            "--keygen a b",
            "--keygen --secret --gate f",
            "-d x gw1 7000",
            "--keygen -4",
        ] {
            assert!(task(line).is_err(), "{line}");
        }
    }
}
