//! Prints doors, leases and counters, as text and as JSON. Leases are printed as
//! they arrive, because there may be many.

use std::io::Write;
use std::time::Duration;

use super::CtlError;
use super::connection::{Connection, unexpected};
use super::json::Json;
use crate::control::answer::{Answer, DoorState, HolderName, LeaseState};
use crate::control::request::ControlRequest;
use crate::core::duration;

/// Returns every door.
pub fn doors(daemon: &mut Connection) -> Result<Vec<DoorState>, CtlError> {
    daemon.collect(&ControlRequest::Doors, |answer| match answer {
        Answer::Door(door) => Some(door),
        _ => None,
    })
}

/// Returns every counter.
pub fn counters(daemon: &mut Connection) -> Result<Vec<(String, u64)>, CtlError> {
    daemon.collect(&ControlRequest::Stats, |answer| match answer {
        Answer::Stat { name, value } => Some((name, value)),
        _ => None,
    })
}

fn leases(
    daemon: &mut Connection,
    mut each: impl FnMut(&LeaseState) -> Result<(), CtlError>,
) -> Result<(), CtlError> {
    let asked = daemon.ask(&ControlRequest::Leases, |answer| match answer {
        Answer::Lease(lease) => each(&lease),
        _ => Err(unexpected()),
    });
    asked.map(drop)
}

/// Prints the doors, each with its table and number of leases, and the leases.
pub fn show(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), CtlError> {
    let doors = doors(daemon)?;
    let names = doors.iter().map(|door| door.name.chars().count());
    let width = names.max().unwrap_or_default().max("DOOR".len());
    writeln!(out, "{:<width$}  {:>6}  TABLE", "DOOR", "LEASES")?;
    for DoorState { name, table, leases, usable } in &doors {
        let fault = if *usable { "" } else { ", cannot be used, see the log" };
        writeln!(out, "{name:<width$}  {leases:>6}  {table}{fault}")?;
    }
    let mut is_first = true;
    leases(daemon, |lease| {
        if is_first {
            writeln!(out, "\n{:<width$}  {:<39}  {:>8}  HOLDER", "DOOR", "ADDRESS", "LEFT")?;
            is_first = false;
        }
        let foreign = if lease.foreign { ", entry not ours" } else { "" };
        writeln!(
            out,
            "{:<width$}  {:<39}  {:>8}  {}{foreign}",
            lease.door,
            lease.address.to_string(),
            in_seconds(lease.remaining),
            holder(&lease.holder)
        )?;
        Ok(())
    })
}

/// Prints the same as one JSON document.
pub fn show_json(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), CtlError> {
    let mut json = Json::new(out);
    json.begin('{')?;
    json.key("doors")?;
    json.begin('[')?;
    for door in doors(daemon)? {
        door_json(&mut json, &door)?;
    }
    json.end(']')?;
    json.key("leases")?;
    json.begin('[')?;
    leases(daemon, |lease| lease_json(&mut json, lease))?;
    json.end(']')?;
    json.end('}')?;
    Ok(json.finish()?)
}

fn door_json(json: &mut Json<'_>, door: &DoorState) -> Result<(), CtlError> {
    json.begin('{')?;
    json.text_field("name", Some(&door.name))?;
    json.text_field("table", Some(&door.table.name))?;
    json.text_field("anchor", door.table.anchor.as_deref())?;
    json.field("leases", door.leases)?;
    json.field("usable", door.usable)?;
    Ok(json.end('}')?)
}

fn lease_json(json: &mut Json<'_>, lease: &LeaseState) -> Result<(), CtlError> {
    let (kind, user) = match &lease.holder {
        HolderName::User(name) => ("user", Some(name.as_str())),
        HolderName::Sequence => ("sequence", None),
        HolderName::Administrator => ("administrator", None),
        HolderName::Former => ("former", None),
    };
    json.begin('{')?;
    json.text_field("door", Some(&lease.door))?;
    json.text_field("address", Some(&lease.address.to_string()))?;
    json.text_field("holder", Some(kind))?;
    json.text_field("user", user)?;
    json.span_field("age", lease.age)?;
    json.span_field("remaining", lease.remaining)?;
    json.field("foreign", lease.foreign)?;
    Ok(json.end('}')?)
}

/// Prints the counters, one a line.
pub fn stats(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), CtlError> {
    for (name, value) in counters(daemon)? {
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}

/// Prints the counters as one JSON object.
pub fn stats_json(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), CtlError> {
    let mut json = Json::new(out);
    json.begin('{')?;
    for (name, value) in counters(daemon)? {
        json.field(&name, value)?;
    }
    json.end('}')?;
    Ok(json.finish()?)
}

fn holder(holder: &HolderName) -> &str {
    match holder {
        HolderName::User(name) => name,
        HolderName::Sequence => "a sequence",
        HolderName::Administrator => "the administrator",
        HolderName::Former => "a former user",
    }
}

/// A span in whole seconds, rounded up: a live lease never has 0 seconds left.
fn in_seconds(span: Duration) -> String {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    duration::Text(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_lease_has_time_left() {
        for (millis, text) in [(1, "1s"), (1_000, "1s"), (59_001, "1m"), (5_400_000, "1h30m")] {
            assert_eq!(in_seconds(Duration::from_millis(millis)), text);
        }
    }
}
