//! The client: knocks, asks by token, makes keys. Any Unix, no privileges.
//!
//! [`token`] makes the bytes, [`send`] and [`sequence`] bring packets on
//! their way, [`hosts`] and [`keys`] read what the user keeps in files,
//! [`arguments`] is the command line. Secrets come from files alone: argv
//! and the environment can be seen by others.
#![forbid(unsafe_code)]

pub mod agent;
pub mod arguments;
pub mod hosts;
pub mod key;
pub mod keys;
pub mod openssh;
pub mod send;
pub mod sequence;
pub mod terminal;
pub mod token;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use crate::core::token::Wanted;
use crate::keyfile::Kind;
use crate::sys;
use arguments::{Action, Order};
use hosts::Host;
use token::{Access, Ask};

/// Why something was not done, for the user to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// From a text that names the object and ends with the system's error.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The program `knock`: exits with 0 when sent or made, 1 on failure, 2 on
/// a usage error.
#[must_use]
pub fn main() -> ExitCode {
    let order = match Order::parse(std::env::args_os()) {
        Ok(order) => order,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Before any key is read.
    if let Err(error) = sys::forbid_core_files() {
        complain(&Error::new(format!("cannot forbid core files: {error}")));
        return ExitCode::FAILURE;
    }
    match run(&order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(order: &Order) -> Result<(), Error> {
    match &order.action {
        Action::Token { host, ask, hosts: Some(file) } => {
            send_tokens(&hosts::find(file, host)?, ask, order)
        }
        Action::Token { host, ask, hosts: None } => {
            let file = hosts::directory()?.join("hosts.ron");
            send_tokens(&hosts::find(&file, host)?, ask, order)
        }
        Action::Sequence { host, knocks, delay } => {
            let destinations = send::resolve(host, 0, order.families)?;
            to_each(&destinations, order, |to| {
                sequence::send(knocks, *delay, to, |knock, address| {
                    if order.verbose {
                        say(&format!("knocked at {address} port {knock}"));
                    }
                })
            })
        }
        Action::Keygen { kind, file: Some(file) } => make_key(file, *kind),
        Action::Keygen { kind, file: None } => {
            make_key(&hosts::directory()?.join("id.key"), *kind)
        }
    }
}

fn send_tokens(host: &Host, ask: &Ask, order: &Order) -> Result<(), Error> {
    let access = Access {
        gate_key: keys::read_gate(host.gate_key.as_path())?,
        server_name: host.name.as_str().into(),
        key: keys::read_user(host.key.as_path())?,
    };
    let destinations = send::resolve(&host.address, host.port.get(), order.families)?;
    to_each(&destinations, order, |to| {
        let wanted = send::send_token(&access, host.source, ask, to)?;
        if order.verbose {
            say(&sent_line(&ask.door, to, wanted));
        }
        Ok(())
    })
}

fn sent_line(door: &str, to: SocketAddr, wanted: Wanted) -> String {
    let whom = match wanted {
        Wanted::Address(address) => address.to_string(),
        Wanted::Source => "the address it arrives from".into(),
    };
    format!("sent a token for door {door} to {} port {} for {whom}", to.ip(), to.port())
}

/// Sends to all destinations. One family that works is enough: what stood
/// in the way of the other is then told only on demand.
fn to_each(
    destinations: &[SocketAddr],
    order: &Order,
    mut send: impl FnMut(SocketAddr) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failures: Vec<_> = destinations.iter().filter_map(|to| send(*to).err()).collect();
    let reached = failures.len() < destinations.len();
    let outcome = if reached { None } else { failures.pop() };
    if order.verbose || !reached {
        failures.iter().for_each(complain);
    }
    outcome.map_or(Ok(()), Err)
}

fn make_key(file: &Path, kind: Kind) -> Result<(), Error> {
    let text = keys::make(file, kind)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| {
        Error::new(format!("cannot print what belongs to {}: {error}", file.display()))
    })
}

/// Tells the user; a closed output is no reason to fail after sending.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(error: &Error) {
    let _ = writeln!(std::io::stderr(), "knock: {error}");
}
