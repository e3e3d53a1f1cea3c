//! `knockctl enroll`: what a client must know, as one line.

use std::io::Write;
use std::num::NonZeroU16;

use super::arguments::Enroll;
use super::{Error, hint, qr};
use crate::config::{self, Config};
use crate::core::name;
use crate::core::policy::Spa;
use crate::core::sighting::Protocol;
use crate::core::user::SourcePolicy;
use crate::enrolment::Enrolment;

/// Prints the line, or draws it.
pub(super) fn enroll(order: &Enroll, out: &mut dyn Write) -> Result<(), Error> {
    let config = config::load(&order.config).map_err(Error::from_display)?;
    let line = enrolment(order, &config)?
        .encode()
        .map_err(|why| Error::Because(format!("cannot enroll {}: {why}", order.name)))?;
    if order.qr {
        qr::draw(&line, out)?;
    } else {
        writeln!(out, "{}", &*line)?;
    }
    out.flush()?;
    hint("the line holds the gate key: send it by a private way");
    hint(if order.qr {
        "on the client: knock --enroll, and then what the code says"
    } else {
        "on the client: knock --enroll, and then paste the line"
    });
    Ok(())
}

fn enrolment(order: &Enroll, config: &Config) -> Result<Enrolment, Error> {
    let file = order.config.display();
    let fail = |text: String| Error::Because(text);
    let spa: &Spa = config.policy.spa.as_ref().ok_or_else(|| {
        fail(format!("{file} has no spa, add it: users open doors by tokens"))
    })?;
    let (key, _) =
        spa.gate_keys.first().ok_or_else(|| fail(format!("{file} has no gate key")))?;
    let port =
        NonZeroU16::new(spa.port).ok_or_else(|| fail(format!("{file} has no SPA port")))?;
    let address = match &order.address {
        Some(address) => address.clone(),
        None if config.name.contains('.') => config.name.clone(),
        None => {
            let name = &config.name;
            let text = format!("clients cannot send to {name:?}: give --address HOST");
            return Err(fail(text));
        }
    };
    if !name::is_host(&address) {
        return Err(fail(format!("{address:?} is no name or address to send to")));
    }
    let (doors, source) = rights(order, config)?;
    let mut named = std::collections::BTreeMap::new();
    for name in doors {
        let (_, door) = config.policy.door_by_name(&name).ok_or_else(|| {
            let known: Vec<_> = config.policy.doors.iter().map(|door| &*door.name).collect();
            fail(format!("{file} has no door {name}, but {}", known.join(", ")))
        })?;
        let tcp = door.ports.iter().find(|port| port.protocol == Protocol::Tcp);
        named.insert(name, tcp.and_then(|port| NonZeroU16::new(port.number)));
    }
    Ok(Enrolment {
        address,
        name: config.name.clone(),
        port,
        gate_key: key.reveal().to_owned().into(),
        user: order.name.clone(),
        source,
        doors: named,
    })
}

/// The doors and the source policy: of a user who is configured those that are
/// configured, of another one those that are given.
fn rights(order: &Enroll, config: &Config) -> Result<(Vec<String>, SourcePolicy), Error> {
    let name = &order.name;
    let user = config.policy.users.iter().find(|user| user.name == *name);
    match (user, &order.doors[..], order.source) {
        (Some(user), [], None) => {
            let doors = user.doors.iter().filter_map(|door| config.policy.door(*door));
            Ok((doors.map(|door| door.name.clone()).collect(), user.source))
        }
        (Some(_), ..) => {
            let file = order.config.display();
            Err(Error::Because(format!(
                "{file} says what {name} may do: leave --doors and --source out, or change it there"
            )))
        }
        (None, [_, ..], Some(source)) => Ok((order.doors.clone(), source)),
        (None, ..) => Err(Error::Because(format!(
            "{name} is new: give --doors, and --source bound for a client with an address of its \
             own, or --source observed for one behind NAT, which lets someone in the path \
             redirect the grant"
        ))),
    }
}
