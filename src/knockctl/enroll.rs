//! `knockctl enroll`: prints what a client needs, as one line.

use std::io::Write;
use std::num::NonZeroU16;

use super::arguments::Enroll;
use super::{CtlError, hint, qr};
use crate::config::{self, Config};
use crate::core::name;
use crate::core::policy::Spa;
use crate::core::sighting::Protocol;
use crate::core::user::SourcePolicy;
use crate::enrolment::Enrolment;

/// Prints the line, or draws it as a QR code.
pub(super) fn enroll(options: &Enroll, out: &mut dyn Write) -> Result<(), CtlError> {
    let config = config::load(&options.config).map_err(CtlError::new)?;
    let line = enrolment(options, &config)?
        .encode()
        .map_err(|why| CtlError::new(format!("cannot enroll {}: {why}", options.name)))?;
    if options.qr {
        qr::draw(&line, out)?;
    } else {
        writeln!(out, "{}", &*line)?;
    }
    out.flush()?;
    hint("the line contains the gate key: keep it secret");
    hint(if options.qr {
        "on the client: knock --enroll, then type the text of the code"
    } else {
        "on the client: knock --enroll, then paste the line"
    });
    Ok(())
}

fn enrolment(options: &Enroll, config: &Config) -> Result<Enrolment, CtlError> {
    let file = options.config.display();
    let spa: &Spa = config.policy.spa.as_ref().ok_or_else(|| {
        CtlError::new(format!("{file} has no spa, add it: users open doors with tokens"))
    })?;
    let (key, _) = spa
        .gate_keys
        .first()
        .ok_or_else(|| CtlError::new(format!("{file} has no gate key")))?;
    let port = NonZeroU16::new(spa.port)
        .ok_or_else(|| CtlError::new(format!("{file} has no SPA port")))?;
    let address = match &options.address {
        Some(address) => address.clone(),
        None if config.name.contains('.') => config.name.clone(),
        None => {
            let name = &config.name;
            let text = format!("clients cannot send to {name:?}: use --address HOST");
            return Err(CtlError::new(text));
        }
    };
    if !name::is_host(&address) {
        return Err(CtlError::new(format!("{address:?} is not a valid name or address")));
    }
    let (doors, source) = rights(options, config)?;
    let mut ports = std::collections::BTreeMap::new();
    for name in doors {
        let (_, door) = config.policy.door_by_name(&name).ok_or_else(|| {
            let known: Vec<_> = config.policy.doors.iter().map(|door| &*door.name).collect();
            CtlError::new(format!("{file} has no door {name}, only {}", known.join(", ")))
        })?;
        let tcp = door.ports.iter().find(|port| port.protocol == Protocol::Tcp);
        ports.insert(name, tcp.and_then(|port| NonZeroU16::new(port.number)));
    }
    Ok(Enrolment {
        address,
        name: config.name.clone(),
        port,
        gate_key: key.reveal().to_owned().into(),
        user: options.name.clone(),
        source,
        doors: ports,
    })
}

/// The doors and the source policy of the user: those of the configuration if it
/// has the user, else those of the command line.
fn rights(options: &Enroll, config: &Config) -> Result<(Vec<String>, SourcePolicy), CtlError> {
    let name = &options.name;
    let user = config.policy.users.iter().find(|user| user.name == *name);
    match (user, &options.doors[..], options.source) {
        (Some(user), [], None) => {
            let doors = user.doors.iter().filter_map(|door| config.policy.door(*door));
            Ok((doors.map(|door| door.name.clone()).collect(), user.source))
        }
        (Some(_), ..) => {
            let file = options.config.display();
            Err(CtlError::new(format!(
                "{file} already has user {name}: omit --doors and --source, or change them there"
            )))
        }
        (None, [_, ..], Some(source)) => Ok((options.doors.clone(), source)),
        (None, ..) => Err(CtlError::new(format!(
            "{name} is a new user: use --doors, and --source bound for a client with an address \
             of its own, or --source observed for a client behind NAT, which lets someone in the \
             path redirect the lease"
        ))),
    }
}
