//! The stanza `runner`, and the commands of doors.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::time::Duration;

use super::shape;
use crate::config::Runner;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw;
use crate::core::command::{Command, Commands};
use crate::core::door::Door;
use crate::core::name;

const TIME_LIMIT: Duration = Duration::from_secs(10);
const TIME_LIMITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// What a door has run.
pub fn of_door(raw: &raw::Commands, door: &str, at: Spot<'_>, report: &mut Report) -> Commands {
    let mut command = |words: &Option<Vec<String>>, field| {
        let words = words.as_ref()?;
        let at = at.field(field);
        let made = Command::new(words, door).map_err(|fault| {
            let at = fault.ordinal().map_or(at, |ordinal| at.item(ordinal));
            report.error(at, fault.to_string());
        });
        made.ok()
    };
    Commands {
        on_open: command(&raw.on_open, "on_open"),
        on_close: command(&raw.on_close, "on_close"),
    }
}

/// Who runs them: needed as soon as a door has one.
pub fn runner(
    raw: &raw::Configuration,
    at: Spot<'_>,
    doors: &[Door],
    engine: &str,
    report: &mut Report,
) -> Option<Runner> {
    let first = doors.iter().position(|door| !door.commands.is_empty());
    let Some(written) = &raw.runner else {
        if let Some(ordinal) = first {
            let at = at.field("doors").entry(ordinal).field("commands");
            report.error(at, "nobody runs commands, add runner: (user: ..)");
        }
        return None;
    };
    let at = at.field("runner");
    let raw::Runner { user, time_limit } = written;
    if !name::is_account(user) {
        let text = "must be 1 to 32 bytes of letters, digits, _ . and -, and not root";
        report.error(at.field("user"), format!("user {} {text}", shape::quoted(user)));
    } else if user == engine {
        let text = format!("user {user} meets packets and runs nothing else, name another");
        report.error(at.field("user"), text);
    }
    let limit = at.field("time_limit");
    let time_limit = shape::span(
        time_limit.as_deref(),
        TIME_LIMIT,
        TIME_LIMITS,
        limit,
        "time_limit",
        report,
    );
    if first.is_none() {
        report.warn(at, "no door has commands, so nobody runs any");
        return None;
    }
    Some(Runner { user: user.clone(), time_limit })
}
