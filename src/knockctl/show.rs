//! Doors, leases and counters, for people and as JSON. Leases are printed as
//! they come: there may be many.

use std::io::Write;
use std::time::Duration;

use super::connection::Connection;
use super::json::Json;
use super::{Error, puzzled};
use crate::control::answer::{Answer, Door, Holder, Lease};
use crate::control::request::Request;
use crate::core::duration;

/// Every door.
pub fn doors(daemon: &mut Connection) -> Result<Vec<Door>, Error> {
    let mut doors = Vec::new();
    daemon.ask(&Request::Doors, |answer| match answer {
        Answer::Door(door) => {
            doors.push(door);
            Ok(())
        }
        _ => Err(puzzled()),
    })?;
    Ok(doors)
}

/// Every counter.
pub fn counters(daemon: &mut Connection) -> Result<Vec<(String, u64)>, Error> {
    let mut counters = Vec::new();
    daemon.ask(&Request::Stats, |answer| match answer {
        Answer::Stat { name, value } => {
            counters.push((name, value));
            Ok(())
        }
        _ => Err(puzzled()),
    })?;
    Ok(counters)
}

fn leases(
    daemon: &mut Connection,
    mut each: impl FnMut(&Lease) -> Result<(), Error>,
) -> Result<(), Error> {
    let asked = daemon.ask(&Request::Leases, |answer| match answer {
        Answer::Lease(lease) => each(&lease),
        _ => Err(puzzled()),
    });
    asked.map(drop)
}

/// Doors, each with its table and how many leases it has, and the leases.
pub fn show(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), Error> {
    let doors = doors(daemon)?;
    let names = doors.iter().map(|door| door.name.chars().count());
    let width = names.max().unwrap_or_default().max("DOOR".len());
    writeln!(out, "{:<width$}  {:>6}  TABLE", "DOOR", "LEASES")?;
    for Door { name, table, leases, usable } in &doors {
        let doubt = if *usable { "" } else { ", cannot be used, see the log" };
        writeln!(out, "{name:<width$}  {leases:>6}  {table}{doubt}")?;
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

/// The same as one JSON document.
pub fn show_json(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), Error> {
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

fn door_json(json: &mut Json<'_>, door: &Door) -> Result<(), Error> {
    json.begin('{')?;
    json.key("name")?;
    json.text(&door.name)?;
    json.key("table")?;
    json.text(&door.table.name)?;
    json.key("anchor")?;
    json.maybe_text(door.table.anchor.as_deref())?;
    json.key("leases")?;
    json.value(door.leases)?;
    json.key("usable")?;
    json.value(door.usable)?;
    Ok(json.end('}')?)
}

fn lease_json(json: &mut Json<'_>, lease: &Lease) -> Result<(), Error> {
    let (kind, user) = match &lease.holder {
        Holder::User(name) => ("user", Some(name.as_str())),
        Holder::Sequence => ("sequence", None),
        Holder::Administrator => ("administrator", None),
        Holder::Former => ("former", None),
    };
    json.begin('{')?;
    json.key("door")?;
    json.text(&lease.door)?;
    json.key("address")?;
    json.text(&lease.address.to_string())?;
    json.key("holder")?;
    json.text(kind)?;
    json.key("user")?;
    json.maybe_text(user)?;
    json.key("age")?;
    json.span(lease.age)?;
    json.key("remaining")?;
    json.span(lease.remaining)?;
    json.key("foreign")?;
    json.value(lease.foreign)?;
    Ok(json.end('}')?)
}

/// The counters, one a line.
pub fn stats(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), Error> {
    for (name, value) in counters(daemon)? {
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}

/// The counters as one JSON object.
pub fn stats_json(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), Error> {
    let mut json = Json::new(out);
    json.begin('{')?;
    for (name, value) in counters(daemon)? {
        json.key(&name)?;
        json.value(value)?;
    }
    json.end('}')?;
    Ok(json.finish()?)
}

fn holder(holder: &Holder) -> &str {
    match holder {
        Holder::User(name) => name,
        Holder::Sequence => "a sequence",
        Holder::Administrator => "the administrator",
        Holder::Former => "a former user",
    }
}

/// To the second that begins: what lives has time left.
fn in_seconds(span: Duration) -> String {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    duration::Text(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_has_time_left() {
        for (millis, text) in [(1, "1s"), (1_000, "1s"), (59_001, "1m"), (5_400_000, "1h30m")] {
            assert_eq!(in_seconds(Duration::from_millis(millis)), text);
        }
    }
}
