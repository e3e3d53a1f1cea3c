//! `knock HOST DOOR`: sends tokens, and waits for the door.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::access::{Access, Wish};
use super::hosts::{self, Host};
use super::send::{self, Families};
use super::source;
use super::task::{Named, Then, Token};
use super::{ClientError, complain, key_files, own_address, relay, say, to_each, wait};
use crate::core::token::Wanted;

/// The time between two tokens while waiting for a door.
const INTERVAL: Duration = Duration::from_secs(3);
/// The same for keys that must be touched.
const TOUCH_INTERVAL: Duration = Duration::from_secs(15);

/// Sends the token, and waits for the door if that is asked for.
pub(super) fn send(
    token: &Token,
    families: Families,
    verbose: bool,
) -> Result<(), ClientError> {
    let file = match &token.hosts {
        Some(file) => file.clone(),
        None => hosts::directory()?.join("hosts.ron"),
    };
    let host = hosts::find(&file, &token.host)?;
    let knock = Knock::new(token, &host, families, verbose)?;
    match &token.then {
        None => knock.send(),
        Some(then) => knock.connect(then, &host, &token.host),
    }
}

/// What sending a token takes.
struct Knock<'a> {
    access: Access,
    ask: &'a Wish,
    /// Where to send, and the address to ask for there.
    destinations: Vec<(SocketAddr, Result<Wanted, ClientError>)>,
    /// Prints what is sent.
    report: Option<fn(&str)>,
}

impl<'a> Knock<'a> {
    fn new(
        token: &'a Token,
        host: &Host,
        families: Families,
        verbose: bool,
    ) -> Result<Self, ClientError> {
        let named = match &token.named {
            Some(Named::Address(address)) => Some(*address),
            Some(Named::Command(command)) => Some(own_address::ask(command)?),
            None => None,
        };
        let families = match (families, named) {
            // A connection over the other family has another address.
            (Families::Both, Some(IpAddr::V4(_))) => Families::V4,
            (Families::Both, Some(IpAddr::V6(_))) => Families::V6,
            _ => families,
        };
        let access = Access {
            gate_key: key_files::read_gate(host.gate_key.as_path())?,
            server_name: host.name.as_str().into(),
            key: key_files::read_user(host.key.as_path())?,
        };
        let destinations = send::resolve(&host.address, host.port.get(), families)?;
        let wanted = |to: SocketAddr| match named {
            Some(address) => Ok(Wanted::Address(address)),
            None => wanted(host, to),
        };
        let destinations = destinations.into_iter().map(|to| (to, wanted(to))).collect();
        // The output of a relay is the connection's.
        let is_relay = token.then.as_ref().is_some_and(|then| then.relay);
        let report: fn(&str) = if is_relay { |line| complain(&line) } else { say };
        let report = verbose.then_some(report);
        Ok(Self { access, ask: &token.ask, destinations, report })
    }

    /// Sends one token to every destination.
    fn send(&self) -> Result<(), ClientError> {
        to_each(&self.destinations, self.report.is_some(), |(to, wanted)| {
            let wanted = wanted.clone()?;
            send::send_token(&self.access, wanted, self.ask, *to)?;
            if let Some(report) = self.report {
                report(&sent_line(&self.ask.door, *to, wanted));
            }
            Ok(())
        })
    }

    fn connect(&self, then: &Then, host: &Host, name: &str) -> Result<(), ClientError> {
        let door = &self.ask.door;
        let port = then.port.or_else(|| host.ports.get(door).copied()).ok_or_else(|| {
            ClientError::new(format!(
                "no port of door {door} is known: give --port, or add ports: {{{door:?}: 22}} to \
                 host {name} in hosts.ron"
            ))
        })?;
        let doors: Vec<_> =
            self.destinations.iter().map(|(to, _)| at(*to, port.get())).collect();
        let interval =
            if self.access.key.kind().needs_touch { TOUCH_INTERVAL } else { INTERVAL };
        match wait::until_open(&doors, then.timeout, interval, || self.send(), complain)? {
            Some(connection) if then.relay => relay::relay(&connection),
            Some(_) => Ok(()),
            None => Err(self.shut(name, then.timeout)),
        }
    }

    /// A hint why the door may have stayed shut.
    fn shut(&self, name: &str, timeout: Duration) -> ClientError {
        let (door, seconds) = (&self.ask.door, timeout.as_secs());
        let asked: Vec<_> = self.destinations.iter().flat_map(|(_, wanted)| wanted).collect();
        let hint = if asked.contains(&&Wanted::Source) {
            "the server may not allow this user the address that it sees: source: Observed"
                .into()
        } else {
            let named =
                asked.iter().map(|wanted| of(**wanted)).collect::<Vec<_>>().join(" and ");
            format!("if NAT changes {named} on the way, write source: Observed in hosts.ron")
        };
        ClientError::new(format!(
            "door {door} of {name} did not answer within {seconds} s, see the server's log; {hint}"
        ))
    }
}

fn at(mut to: SocketAddr, port: u16) -> SocketAddr {
    to.set_port(port);
    to
}

/// Chooses the address to ask the server at `to` for.
fn wanted(host: &Host, to: SocketAddr) -> Result<Wanted, ClientError> {
    let local = send::local_address(to)?;
    let choice = source::choose(host.source, local, to.ip())
        .map_err(|error| ClientError::new(format!("cannot send to {to}: {error}")))?;
    if let Some(hint) = choice.hint {
        complain(&hint);
    }
    Ok(choice.wanted)
}

fn of(wanted: Wanted) -> String {
    match wanted {
        Wanted::Address(address) => address.to_string(),
        Wanted::Source => "the address it arrives from".into(),
    }
}

fn sent_line(door: &str, to: SocketAddr, wanted: Wanted) -> String {
    let address = of(wanted);
    format!("sent a token for door {door} to {} port {} for {address}", to.ip(), to.port())
}
