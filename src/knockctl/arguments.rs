//! The command line of `knockctl`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::control::request::Order;
use crate::core::address::{self, Loopback};
use crate::core::user::SourcePolicy;
use crate::core::{duration, name};
use crate::sys::SYSTEM;

/// The socket of the daemon, unless `-s` names another.
pub const DEFAULT_SOCKET: &str = "/var/run/knockd/knockd.sock";

/// Controls a running knockd, and sets it up
#[derive(Debug, Parser)]
#[command(name = "knockctl", version, disable_help_subcommand = true)]
pub struct CtlArguments {
    /// Socket of the daemon
    #[arg(short, value_name = "SOCKET", default_value = DEFAULT_SOCKET, global = true)]
    pub socket: PathBuf,
    /// The command.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// A command and its arguments.
#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// Print doors and leases, or counters
    Show {
        /// Print one JSON document
        #[arg(short)]
        json: bool,
        /// Print the counters instead
        what: Option<Counters>,
    },
    /// Print what is logged from now on
    Monitor,
    /// Open a door for an address
    Open {
        /// Name of the door
        #[arg(value_parser = name)]
        door: String,
        /// Address of a host
        #[arg(value_parser = host)]
        address: IpAddr,
        /// For how long, up to the door's maximum [default: the door's own time]
        #[arg(value_parser = seconds)]
        time: Option<u32>,
    },
    /// Let a lease last this long from now; never shortens it
    Extend {
        /// Name of the door
        #[arg(value_parser = name)]
        door: String,
        /// Address of a host
        #[arg(value_parser = host)]
        address: IpAddr,
        /// For how long, up to the door's maximum
        #[arg(value_parser = seconds)]
        time: u32,
    },
    /// End one lease, those of a user, or all
    #[command(override_usage = "knockctl close DOOR ADDRESS
       knockctl close user NAME
       knockctl close all")]
    Close {
        /// DOOR ADDRESS, user NAME, or all
        #[arg(value_name = "WORD", required = true, num_args = 1..=2)]
        words: Vec<String>,
    },
    /// Read the configuration again
    Reload,
    /// Log doors and their users only, or also strangers
    Log {
        /// How much
        level: LogLevel,
    },
    /// Print what a client needs, as one line for knock --enroll
    Enroll(Enroll),
    /// Write a first configuration
    Setup(Setup),
    /// Print the configuration of another daemon in the format of knockd
    Import {
        /// The other daemon
        from: OldDaemon,
        /// The file; - for standard input
        file: PathBuf,
    },
    /// Create a new key next to the old one
    Rotate {
        /// The key to replace
        what: KeyToRotate,
        /// The configuration that names it
        #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
        config: PathBuf,
    },
    /// End the leases of a user, and print where to remove it
    Revoke {
        /// Name of the user
        #[arg(value_name = "NAME", value_parser = name)]
        user: String,
        /// The configuration that has the user
        #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
        config: PathBuf,
    },
    /// Print counters as OpenMetrics
    Metrics,
    /// Check the live system, and print what is wrong
    Doctor {
        /// The configuration to check
        #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
        config: PathBuf,
    },
}

/// The arguments of `enroll`.
#[derive(Debug, Args)]
pub struct Enroll {
    /// Name of the user
    #[arg(value_parser = name)]
    pub name: String,
    /// Doors that a new user may open
    #[arg(long, value_name = "DOOR", value_delimiter = ',', value_parser = name)]
    pub doors: Vec<String>,
    /// The addresses that a new user may open doors for
    #[arg(long, value_parser = source())]
    pub source: Option<SourcePolicy>,
    /// Where the client sends to [default: the server's name]
    #[arg(long, value_name = "HOST")]
    pub address: Option<String>,
    /// Draw the line as a QR code instead
    #[arg(long)]
    pub qr: bool,
    /// The configuration
    #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
    pub config: PathBuf,
}

/// The arguments of `setup`.
#[derive(Debug, Args)]
pub struct Setup {
    /// The server's own name [default: the host's]
    #[arg(long = "name", value_name = "NAME")]
    pub server: Option<String>,
    /// Name of a first user
    #[arg(long, value_name = "NAME", value_parser = name, requires = "key")]
    pub user: Option<String>,
    /// The first user's public key, as ssh-keygen writes it
    #[arg(long, value_name = "FILE", requires = "user")]
    pub key: Option<PathBuf>,
    /// The addresses that the first user may open doors for
    #[arg(long, requires = "user", value_parser = source())]
    pub source: Option<SourcePolicy>,
    /// The configuration to write
    #[arg(short = 'f', value_name = "FILE", default_value = SYSTEM.config)]
    pub config: PathBuf,
}

/// A key that can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyToRotate {
    /// The gate key
    Gate,
}

/// A daemon whose configuration can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OldDaemon {
    /// The knockd of Judd Vinet
    Knockd,
}

/// The other thing that `show` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Counters {
    /// The counters
    Stats,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Doors and their users
    Brief,
    /// Also strangers and unfinished sequences
    Verbose,
}

impl CtlCommand {
    /// The order to send to the daemon, if the command is one.
    ///
    /// # Errors
    /// A usage error, for clap to show.
    pub fn order(&self) -> Result<Option<Order>, clap::Error> {
        Ok(Some(match self {
            Self::Open { door, address, time } => {
                Order::Open { door: door.clone(), address: *address, seconds: *time }
            }
            Self::Extend { door, address, time } => {
                Order::Extend { door: door.clone(), address: *address, seconds: *time }
            }
            Self::Close { words } => close(words)
                .map_err(|text| CtlArguments::command().error(ErrorKind::InvalidValue, text))?,
            Self::Reload => Order::Reload,
            Self::Log { level } => Order::Log { verbose: *level == LogLevel::Verbose },
            _ => return Ok(None),
        }))
    }
}

/// A word that is an address is never a name, so a door may be called `user`.
fn close(words: &[String]) -> Result<Order, String> {
    match words {
        [all] if all == "all" => Ok(Order::CloseAll),
        [user, user_name] if user == "user" && host(user_name).is_err() => {
            Ok(Order::CloseUser { name: name(user_name)? })
        }
        [door, address] => Ok(Order::CloseLease { door: name(door)?, address: host(address)? }),
        _ => Err("name what to close: DOOR ADDRESS, user NAME, or all".into()),
    }
}

fn name(text: &str) -> Result<String, String> {
    if name::is_plain(text) {
        Ok(text.into())
    } else {
        Err("a name is a letter a-z, then up to 31 of a-z 0-9 _ and -".into())
    }
}

/// Loopback addresses pass: the configuration of the daemon decides about them.
fn host(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr =
        text.parse().map_err(|_| "not an address like 192.0.2.7 or 2001:db8::7")?;
    address::host(address, Loopback::Allowed)
        .ok_or_else(|| format!("{address} is not the address of a host"))
}

/// Without `delegate`, which belongs in the configuration only.
fn source() -> impl TypedValueParser<Value = SourcePolicy> {
    let bound =
        PossibleValue::new("bound").help("The client's own address, which its token names");
    let observed =
        PossibleValue::new("observed").help("Also the address that its packets come from");
    PossibleValuesParser::new([bound, observed]).map(|word| match word.as_str() {
        "observed" => SourcePolicy::Observed,
        _ => SourcePolicy::Bound,
    })
}

fn seconds(text: &str) -> Result<u32, String> {
    duration::argument(text).map(|span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Result<Option<Order>, ErrorKind> {
        let words = format!("knockctl {line}");
        let arguments = CtlArguments::try_parse_from(words.split_whitespace());
        arguments.and_then(|arguments| arguments.command.order()).map_err(|error| error.kind())
    }

    #[test]
    fn orders_are_parsed() {
        let address = "192.0.2.7".parse().unwrap();
        let ssh = || String::from("ssh");
        let close = |door: &str| Order::CloseLease { door: door.into(), address };
        for (line, expected) in [
            ("open ssh 192.0.2.7", Order::Open { door: ssh(), address, seconds: None }),
            (
                "open ssh ::ffff:192.0.2.7 60",
                Order::Open { door: ssh(), address, seconds: Some(60) },
            ),
            ("extend ssh 192.0.2.7 60", Order::Extend { door: ssh(), address, seconds: 60 }),
            (
                "extend ssh 192.0.2.7 1h30m",
                Order::Extend { door: ssh(), address, seconds: 5_400 },
            ),
            ("close ssh 192.0.2.7", close("ssh")),
            ("close user 192.0.2.7", close("user")),
            ("close user alice", Order::CloseUser { name: "alice".into() }),
            ("close user user", Order::CloseUser { name: "user".into() }),
            ("close all", Order::CloseAll),
            ("close all 192.0.2.7", close("all")),
            ("reload", Order::Reload),
            ("log verbose", Order::Log { verbose: true }),
            ("log brief", Order::Log { verbose: false }),
        ] {
            assert_eq!(order(line), Ok(Some(expected)), "{line}");
        }
        for line in ["show", "show -j", "show stats -j", "monitor", "metrics", "doctor"] {
            assert_eq!(order(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn an_invalid_name_or_address_is_a_usage_error() {
        for line in [
            "open Ssh 192.0.2.7",
            "open ssh 224.0.0.1",
            "open ssh 0.0.0.0",
            "open ssh fe80::1",
            "open ssh 192.0.2.0/24",
            "open ssh gw1.example.org",
            "close user Alice",
            "close ssh",
            "close ssh all",
            "log loud",
        ] {
            assert!(
                matches!(
                    order(line),
                    Err(ErrorKind::InvalidValue | ErrorKind::ValueValidation)
                ),
                "{line}: {:?}",
                order(line)
            );
        }
        for line in [
            "",
            "open ssh",
            "extend ssh 192.0.2.7",
            "close",
            "open ssh 192.0.2.7 0",
            "open ssh 192.0.2.7 500ms",
        ] {
            assert!(order(line).is_err(), "{line}");
        }
    }
}
