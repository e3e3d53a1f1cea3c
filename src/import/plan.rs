//! What becomes of each section of the old configuration.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::change::{self, Change, Effect};
use super::old::{Quoted, Section};
use super::page::shown;
use super::rules::Access;
use super::words::{self, Command};
use crate::config::weakness;
use crate::core::address::{self, Family, Loopback};
use crate::core::gate::MAX_CLAIMS;
use crate::core::printable::is_unprintable;
use crate::core::sighting::Port;
use crate::firewall::Dialect;

/// The lifetime of a door that had none.
const OPEN_FOR: Duration = Duration::from_secs(60);
/// The longest lifetime that an administrator may give such a door.
const MAX_OPEN_FOR: Duration = Duration::from_secs(8 * 3600);
const LONGEST_OPEN: i64 = 30 * 86_400;
const LONGEST_WITHIN: i64 = 600;
/// With `knock_` in front, a name is a valid table.
const MAX_NAME: usize = 25;
/// The longest path of a list.
const MAX_PATH: usize = 1023;
/// The longest name of a file.
const MAX_FILE_NAME: usize = 255;

/// What becomes of a section.
pub enum Fate {
    /// It becomes a door and a sequence.
    Taken(Box<Proposal>),
    /// It becomes a comment, for this reason.
    Left(String),
}

/// A door and its sequence in our configuration.
pub struct Proposal {
    /// The name of both.
    pub name: String,
    /// What the packet filter lets in.
    pub access: Access,
    /// 1 s to 30 d.
    pub open_for: Duration,
    /// At least `open_for`.
    pub max_open_for: Option<Duration>,
    /// Whether closing ends its connections.
    pub kills: bool,
    /// 1 s to 10 min.
    pub within: Duration,
    /// Why the sequence is weak.
    pub weakness: Option<&'static str>,
    /// The address that is knocked at.
    pub target: Option<IpAddr>,
    /// What else runs when it opens.
    pub on_open: Vec<Command>,
    /// What else runs when it closes.
    pub on_close: Vec<Command>,
    /// How the door differs from the old one.
    pub notes: Vec<String>,
    /// How the sequence differs from the old one.
    pub sequence_notes: Vec<String>,
}

/// What a line for the shell does.
#[derive(Default)]
struct Actions {
    changes: Vec<Change>,
    kills: bool,
    /// Commands of packet filters that are not understood.
    unknown: Vec<Command>,
    others: Vec<Command>,
}

impl Actions {
    /// Those of the first line that is not empty.
    fn of(lines: [&Option<String>; 2]) -> Self {
        let mut actions = Self::default();
        let line = lines.into_iter().flatten().find(|line| !line.is_empty());
        for command in line.map(|line| words::split(line)).unwrap_or_default() {
            match change::recognise(&command.words) {
                Effect::Change(change) => actions.changes.push(change),
                Effect::Kill => actions.kills = true,
                Effect::Unknown => actions.unknown.push(command),
                Effect::Other => actions.others.push(command),
            }
        }
        actions
    }

    /// Whether both let the same in and out.
    fn is_like(&self, other: &Self) -> bool {
        let parts = |actions: &Self| {
            let of = |change: &Change| {
                let Change { lets_in, who, protocol, ports, table, translates, .. } = change;
                (*lets_in, *who, *protocol, ports.clone(), table.clone(), *translates)
            };
            let changes: Vec<_> = actions.changes.iter().map(of).collect();
            (changes, actions.kills, actions.unknown.len(), actions.others.len())
        };
        parts(self) == parts(other)
    }

    fn is_empty(&self) -> bool {
        !self.changes_filter() && self.unknown.is_empty() && self.others.is_empty()
    }

    /// Whether it changes who is let in, or whose connections go on.
    fn changes_filter(&self) -> bool {
        self.kills || !self.changes.is_empty()
    }

    fn lets_in(&self) -> Vec<&Change> {
        self.changes.iter().filter(|change| change.lets_in).collect()
    }

    /// Whether the other undoes some of it.
    fn is_undone_by(&self, other: &Self) -> bool {
        self.lets_in().into_iter().any(|change| {
            let undoes = |undo: &Change| !undo.lets_in && undo.rule == change.rule;
            other.changes.iter().any(undoes)
        })
    }
}

/// Returns the fate of each section, in order.
#[must_use]
pub fn plan(sections: &[Section], dialect: &Dialect) -> Vec<Fate> {
    let starts: Vec<Actions> =
        sections.iter().map(|old| Actions::of([&old.start, &old.start_6])).collect();
    let mut names = BTreeSet::new();
    let mut taken: Vec<&Section> = Vec::new();
    let mut fates = Vec::with_capacity(sections.len());
    for (old, start) in sections.iter().zip(&starts) {
        // A section that deletes before it adds undoes itself.
        let others =
            || sections.iter().zip(&starts).filter(|(other, _)| other.line != old.line);
        let opener = others().find(|(_, other)| other.is_undone_by(start));
        let closer = others().find(|(_, other)| start.is_undone_by(other));
        let closer = closer.map(|(section, _)| section);
        let why = useless(start, opener.map(|(section, _)| section))
            .or_else(|| unfit(old))
            .or_else(|| taken.iter().find_map(|other| clash(old, other)))
            .or_else(|| crowd(old, &taken));
        fates.push(match why {
            Some(why) => Fate::Left(why),
            None => {
                taken.push(old);
                let name = name(&old.name, &mut names);
                Fate::Taken(Box::new(propose(old, name, start, closer, dialect)))
            }
        });
    }
    fates
}

/// Returns why a section lets nobody in, as far as its command is understood.
fn useless(start: &Actions, opener: Option<&Section>) -> Option<String> {
    if start.is_empty() {
        return Some("it runs no command".into());
    }
    if !start.lets_in().is_empty() {
        return None;
    }
    if !start.changes_filter() {
        return Some(
            "its command is not understood. If it lets in the address that knocked, write the \
             door by hand; if it does something else, a door can run it, see commands in \
             knockd.ron(5)"
                .into(),
        );
    }
    let what = match opener {
        Some(opener) => format!("it removes what {} lets in", title(opener)),
        None => "it only removes access, which no sequence does".into(),
    };
    Some(format!("{what}. Doors close by themselves, and knockctl close shuts one at once"))
}

/// Returns what our configuration cannot express.
fn unfit(old: &Section) -> Option<String> {
    if let Some(file) = &old.one_time {
        let is_odd = |character: char| is_unprintable(character) || character == '\u{fffd}';
        let name = Path::new(file).file_name().filter(|name| name.len() <= MAX_FILE_NAME);
        if name.is_none() || file.len() > MAX_PATH || file.contains(is_odd) {
            return Some("the path of its file is not one, or not plain".into());
        }
    } else if old.steps.iter().any(|step| step.number == 0) {
        return Some("its sequence has an invalid port; ports are 1 to 65535".into());
    }
    let target = old.target.as_deref()?;
    let text = format!("{} is not the address of a host", Quoted(target));
    host(target).is_none().then_some(text)
}

/// The address of a host.
fn host(text: &str) -> Option<IpAddr> {
    text.parse().ok().and_then(|target| address::host(target, Loopback::Refused))
}

/// Returns why two sequences exclude each other.
fn clash(old: &Section, other: &Section) -> Option<String> {
    let list = |old: &Section| Some(Path::new(old.one_time.as_ref()?).file_name()?.to_owned());
    if list(old).is_some_and(|name| list(other) == Some(name)) {
        let text = format!("its file has the name of that of {}", title(other));
        return Some(format!("{text}; give each door a file of its own"));
    }
    let (one, two) = (fixed(old)?, fixed(other)?);
    let common = one.len().min(two.len());
    (one[..common] == two[..common]).then(|| {
        let other = title(other);
        format!(
            "its sequence and that of {other} begin alike to the end of one; change a step, \
             or have one sequence open both doors"
        )
    })
}

/// Returns why one packet would open too many doors.
fn crowd(old: &Section, taken: &[&Section]) -> Option<String> {
    let last = fixed(old)?.last()?;
    let alike = taken.iter().filter(|other| fixed(other).and_then(<[_]>::last) == Some(last));
    let text = || format!("more than {MAX_CLAIMS} sequences end at {last}; end it elsewhere");
    (alike.count() >= MAX_CLAIMS).then(text)
}

/// The steps, unless they come from a file.
fn fixed(old: &Section) -> Option<&[Port]> {
    old.one_time.is_none().then_some(&old.steps)
}

/// Why a scan, or a guess, would find the sequence.
fn weakness(old: &Section) -> Option<&'static str> {
    let by_flags = || weakness::of_flags(old.has_tcp(), old.mask()?);
    fixed(old).and_then(weakness::of_steps).or_else(by_flags)
}

/// The title of a section, for comments.
#[must_use]
pub fn title(old: &Section) -> String {
    let name: String = old.name.chars().take(64).collect();
    format!("[{}]", shown(&name))
}

/// Returns a valid name that no door has yet.
fn name(old: &str, names: &mut BTreeSet<String>) -> String {
    let plain = |character: char| match character.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '-') => letter,
        _ => '_',
    };
    let mut name: String = old.chars().map(plain).take(MAX_NAME).collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name = format!("door_{name}");
    }
    let cut = |length: usize| name.chars().take(length).collect::<String>();
    let numbered = (2..).map(|number| format!("{}_{number}", cut(MAX_NAME - 4)));
    let mut candidates = std::iter::once(cut(MAX_NAME)).chain(numbered);
    // There are fewer doors than numbers.
    let free = candidates.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(free.clone());
    free
}

fn propose(
    old: &Section,
    name: String,
    start: &Actions,
    closer: Option<&Section>,
    dialect: &Dialect,
) -> Proposal {
    let stop = Actions::of([&old.stop, &old.stop_6]);
    let mut notes = Vec::new();
    let (open_for, max_open_for) = lifetime(old, start, &stop, closer, &mut notes);
    if differ(&old.start, &old.start_6) || differ(&old.stop, &old.stop_6) {
        notes.push("Its IPv6 commands do something else: compare.".into());
    }
    for command in start.unknown.iter().chain(&stop.unknown) {
        let command = shown(&command.words.join(" "));
        notes.push(format!("Not understood, and left out: {command}"));
    }
    let mut sequence_notes = Vec::new();
    let within =
        bounded(old.seq_timeout, LONGEST_WITHIN, "Seq_Timeout was", &mut sequence_notes);
    let kills = start.kills || stop.kills;
    let can_kill = dialect.backend.kills_states;
    if kills && !can_kill {
        let title = dialect.backend.title;
        notes.push(format!("It ended connections, which {title} cannot."));
    }
    Proposal {
        access: Access::of(&start.lets_in(), &name, family(old), dialect),
        name,
        open_for,
        max_open_for,
        kills: kills && can_kill,
        within,
        weakness: weakness(old),
        target: old.target.as_deref().and_then(host),
        on_open: start.others.clone(),
        on_close: stop.others,
        notes,
        sequence_notes,
    }
}

/// Returns `open_for` and `max_open_for`.
fn lifetime(
    old: &Section,
    start: &Actions,
    stop: &Actions,
    closer: Option<&Section>,
    notes: &mut Vec<String>,
) -> (Duration, Option<Duration>) {
    let is_timed = !stop.is_empty() && old.cmd_timeout >= 0;
    if is_timed && !stop.changes.is_empty() && !start.is_undone_by(stop) {
        notes.push(
            "The stop_command names another rule than the one that was added: the old door \
             may have stayed open. Here it closes."
                .into(),
        );
    }
    if is_timed {
        return (bounded(old.cmd_timeout, LONGEST_OPEN, "It was open for", notes), None);
    }
    if let Some(lasts) = start.lets_in().iter().find_map(|change| change.lasts) {
        let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
        return (bounded(seconds, LONGEST_OPEN, "It was open for", notes), None);
    }
    notes.push(match closer {
        Some(closer) => {
            format!("It stayed open until {}; now it closes by itself.", title(closer))
        }
        None => "It stayed open for ever; now it closes by itself.".into(),
    });
    (OPEN_FOR, Some(MAX_OPEN_FOR))
}

/// Whether both families have commands that do different things.
fn differ(v4: &Option<String>, v6: &Option<String>) -> bool {
    let actions = |line| Actions::of([line, &None]);
    has_command(v4) && has_command(v6) && !actions(v4).is_like(&actions(v6))
}

/// Clamps `seconds` to 1 to `most`, and notes if that changes it.
fn bounded(seconds: i64, most: i64, was: &str, notes: &mut Vec<String>) -> Duration {
    let fit = seconds.clamp(1, most);
    if fit != seconds {
        notes.push(format!("{was} {seconds} s."));
    }
    Duration::from_secs(fit.unsigned_abs())
}

fn family(old: &Section) -> Option<Family> {
    let v4 = has_command(&old.start);
    let v6 = if old.start_6.is_some() { has_command(&old.start_6) } else { v4 };
    match (v4, v6) {
        (true, false) => Some(Family::V4),
        (false, true) => Some(Family::V6),
        _ => None,
    }
}

fn has_command(line: &Option<String>) -> bool {
    line.as_ref().is_some_and(|line| !line.is_empty())
}
