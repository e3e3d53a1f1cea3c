//! The stanza `runner`, and the field `commands` of doors.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::time::Duration;

use super::shape;
use crate::config::RunnerConfig;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw;
use crate::core::command::{Command, Commands};
use crate::core::door::Door;

const TIME_LIMIT: Duration = Duration::from_secs(10);
const TIME_LIMITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// Returns the commands of a door.
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

/// Checks the stanza `runner`, which is needed if a door has commands.
pub fn runner(
    raw: &raw::Configuration,
    at: Spot<'_>,
    doors: &[Door],
    engine_user: &str,
    report: &mut Report,
) -> Option<RunnerConfig> {
    let first = doors.iter().position(|door| !door.commands.is_empty());
    let Some(raw::Runner { user, time_limit }) = &raw.runner else {
        if let Some(ordinal) = first {
            let at = at.field("doors").entry(ordinal).field("commands");
            report.error(at, "commands need a user to run as, add runner: (user: ..)");
        }
        return None;
    };
    let at = at.field("runner");
    shape::account(user, at.field("user"), report);
    if user == engine_user {
        let text = format!("user {user} is the user of the packet process, name another");
        report.error(at.field("user"), text);
    }
    let text = time_limit.as_deref();
    let time_limit = shape::span(text, TIME_LIMIT, TIME_LIMITS, "time_limit", at, report);
    if first.is_none() {
        report.warn(at, "no door has commands, remove runner");
        return None;
    }
    Some(RunnerConfig { user: user.clone(), time_limit })
}
