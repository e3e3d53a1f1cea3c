//! Steps that change: lists, and those that follow from a secret and the time.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::time::Duration;

use super::keys::Keys;
use super::shape;
use super::weakness::weakness;
use crate::config::files::Content;
use crate::config::one_time;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw::{self, Permission};
use crate::core::one_time::OneTime;
use crate::core::rolling::{self, Rolling};
use crate::core::sequence::{MAX_STEPS, Sequence, Steps};
use crate::core::token::UserId;
use crate::keyfile::KeyKind;

/// Below that, clocks would have to agree too well.
const MIN_PERIOD: Duration = Duration::from_secs(10);
const MAX_PERIOD: Duration = Duration::from_secs(3_600);
/// Of fewer ports and steps a sequence could be guessed.
const MIN_PORTS: usize = 1_000;
const MIN_STEPS: usize = 3;
/// So many lines of a list are worth a word.
const FEW: usize = 5;

/// What has no place beside steps that change.
pub fn beside(raw: &raw::Sequence, at: Spot<'_>, report: &mut Report) {
    if raw.steps.is_some() {
        report.error(at.field("steps"), "the steps are those of changing, remove one of both");
    }
    let rolls = matches!(raw.changing, Some(raw::Changing::Rolling { .. }));
    if rolls && raw.flags.is_some() {
        report.error(at.field("flags"), "steps that roll are initial SYNs, remove flags");
    }
    if !rolls && raw.opens.len() > 1 {
        report.error(at.field("opens"), "a line of a list opens one door, name one");
    }
}

/// Lines that a scan, or a guess, would find are refused like such sequences.
pub fn weak_lines(list: &OneTime, raw: &raw::Sequence, at: Spot<'_>, report: &mut Report) {
    let mut lines = list.lines.iter().filter(|_| raw.weak == Permission::Refused);
    let found = lines.find_map(|line| Some((line, weakness(&line.steps)?)));
    if let Some((line, weakness)) = found {
        // Not shown: a sequence is as good as a secret.
        let line = line.number;
        let text = format!("weak sequence in line {line}: {weakness}");
        let text = format!("{text}; change it or write weak: Allowed");
        report.error(at, text);
    }
}

/// What the steps follow from.
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
    let (text, place) = (period.as_deref(), at.field("period"));
    let period = shape::span(text, rolling::PERIOD, range, place, "period", report);
    if period.subsec_nanos() != 0 {
        report.error(place, "period must be whole seconds");
    }
    let ports = ports.map_or(rolling::PORTS, |(first, last)| first..=last);
    if *ports.start() == 0 || ports.len() < MIN_PORTS {
        let text =
            format!("ports are the first and the last of {MIN_PORTS} at least, without 0");
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

/// The lines of a list that were not used yet.
fn list(path: &str, at: Spot<'_>, keys: &mut Keys, report: &mut Report) -> Option<OneTime> {
    if !keys.holds(path) {
        report.error(at, "a list is written to: put it into the directory secrets");
        return None;
    }
    let list = keys.read_lines(path, Content::List, one_time::parse, at, report)?;
    let path = shape::quoted(path);
    match list.lines.len() {
        0 => report.warn(at, format!("list {path} is used up, add lines: it opens nothing")),
        left if left < FEW => {
            report.warn(at, format!("list {path} has {left} lines left, add some"));
        }
        _ => {}
    }
    Some(list)
}

/// The secrets of sequences are nobody else's.
pub fn secrets(list: &[Sequence], taken: &HashSet<UserId>, at: Spot<'_>, report: &mut Report) {
    let mut own = HashSet::new();
    for (ordinal, sequence) in list.iter().enumerate() {
        let Steps::Rolling(rolling) = &sequence.steps else { continue };
        let id = rolling.secret_id();
        if taken.contains(&id) || !own.insert(id) {
            let at = at.entry(ordinal).field("changing").field("secret");
            let text =
                "this secret is a gate key, or that of a user or a sequence, make another";
            report.error(at, text);
        }
    }
}
