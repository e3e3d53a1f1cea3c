//! The field `changing` of sequences: lists and rolling sequences.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::time::Duration;

use super::keys::Keys;
use super::shape;
use super::weakness;
use crate::config::files::KeyContent;
use crate::config::one_time;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Permission};
use crate::core::one_time::OneTime;
use crate::core::rolling::{self, Rolling};
use crate::core::sequence::{MAX_STEPS, Sequence, Steps};
use crate::core::token::UserId;
use crate::keyfile::KeyKind;

/// A shorter period would need clocks that agree too well.
const MIN_PERIOD: Duration = Duration::from_secs(10);
const MAX_PERIOD: Duration = Duration::from_secs(3_600);
/// A sequence with fewer ports or steps could be guessed.
const MIN_PORTS: usize = 1_000;
const MIN_STEPS: usize = 3;
/// A list with fewer lines gets a warning.
const FEW: usize = 5;

/// Reports fields that exclude `changing`.
pub fn exclusions(raw: &raw::Sequence, at: Spot<'_>, report: &mut Report) {
    if raw.steps.is_some() {
        report.error(at.field("steps"), "steps and changing exclude each other, remove one");
    }
    let is_rolling = matches!(raw.changing, Some(raw::Changing::Rolling { .. }));
    if is_rolling && raw.flags.is_some() {
        report.error(at.field("flags"), "rolling sequences use initial SYNs, remove flags");
    }
    if !is_rolling && raw.opens.len() > 1 {
        report.error(at.field("opens"), "a list opens one door, name one");
    }
}

/// Reports the first weak sequence of a list.
pub fn weak_lines(list: &OneTime, raw: &raw::Sequence, at: Spot<'_>, report: &mut Report) {
    let mut lines = list.lines.iter().filter(|_| raw.weak == Permission::Refused);
    let found = lines.find_map(|line| Some((line, weakness::of_steps(&line.steps)?)));
    if let Some((line, weakness)) = found {
        // Not shown: the sequence is a secret.
        let line = line.number;
        let text = format!("weak sequence in line {line}: {weakness}");
        let text = format!("{text}; change it or write weak: Allowed");
        report.error(at, text);
    }
}

/// Checks the field and reads its list or secret.
pub fn check(
    raw: &raw::Changing,
    at: Spot<'_>,
    keys: &mut Keys,
    report: &mut Report,
) -> Option<Steps> {
    let (secret, ports, steps, period) = match raw {
        raw::Changing::OneTime(path) => {
            return list(path, at.item(0), keys, report).map(Steps::OneTime);
        }
        raw::Changing::Rolling { secret, ports, steps, period } => {
            (secret, ports, steps, period)
        }
    };
    let range = MIN_PERIOD..=MAX_PERIOD;
    let text = period.as_deref();
    let period = shape::span(text, rolling::PERIOD, range, "period", at, report);
    if period.subsec_nanos() != 0 {
        report.error(at.field("period"), "period must be whole seconds");
    }
    let ports = ports.map_or(rolling::PORTS, |(first, last)| first..=last);
    if *ports.start() == 0 || ports.len() < MIN_PORTS {
        let text = format!("ports must be a range of at least {MIN_PORTS} ports without 0");
        report.error(at.field("ports"), text);
    }
    let steps = steps.unwrap_or(rolling::STEPS);
    if !(MIN_STEPS..=MAX_STEPS).contains(&usize::from(steps)) {
        let text = format!("steps is {steps}, must be {MIN_STEPS} to {MAX_STEPS}");
        report.error(at.field("steps"), text);
    }
    let secret = keys.read(secret, KeyKind::Secret, at.field("secret"), report)?;
    Some(Steps::Rolling(Rolling::new(secret, ports, steps, period)))
}

/// Reads the unused lines of a list.
fn list(path: &str, at: Spot<'_>, keys: &mut Keys, report: &mut Report) -> Option<OneTime> {
    if !keys.contains(path) {
        report.error(at, "the daemon writes to a list: move it to the directory secrets");
        return None;
    }
    let list = keys.read_lines(path, KeyContent::List, one_time::parse, at, report)?;
    let path = shape::quoted(path);
    match list.lines.len() {
        0 => report.warn(at, format!("list {path} is used up and opens nothing, add lines")),
        left if left < FEW => {
            report.warn(at, format!("list {path} has {left} lines left, add some"));
        }
        _ => {}
    }
    Some(list)
}

/// Checks that no user, gate key or other sequence has the secret of a sequence.
pub fn secrets(list: &[Sequence], taken: &HashSet<UserId>, at: Spot<'_>, report: &mut Report) {
    let mut own = HashSet::new();
    for (ordinal, sequence) in list.iter().enumerate() {
        let Steps::Rolling(rolling) = &sequence.steps else { continue };
        let id = rolling.secret_id();
        if taken.contains(&id) || !own.insert(id) {
            let at = at.entry(ordinal).field("changing").field("secret");
            let text = "a gate key, user or sequence already has this secret, create another";
            report.error(at, text);
        }
    }
}
