//! What becomes of each door of the old daemon.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::change::{self, Change, Effect};
use super::old;
use super::page::shown;
use super::rules::Access;
use super::words::{self, Command};
use crate::config;
use crate::core::address::{self, Family, Loopback};
use crate::core::gate::MAX_CLAIMS;
use crate::core::printable::is_unprintable;
use crate::core::sighting::Port;
use crate::firewall::Dialect;

/// Of a door that was open until somebody shut it.
const OPEN_FOR: Duration = Duration::from_secs(60);
/// As [`OPEN_FOR`]: how long an administrator may open it for.
const MAX_OPEN_FOR: Duration = Duration::from_secs(8 * 3600);
const LONGEST_OPEN: i64 = 30 * 86_400;
const LONGEST_WITHIN: i64 = 600;
/// With `knock_` in front a name makes a table.
const MAX_NAME: usize = 25;
/// As long as a path may be.
const MAX_PATH: usize = 1023;
/// The longest name of a file.
const MAX_FILE_NAME: usize = 255;

/// What becomes of a door.
pub enum Fate {
    /// It is one of ours.
    Taken(Box<Door>),
    /// Ours cannot do it, for this reason.
    Left(String),
}

/// A door and its sequence, as ours have them.
pub struct Door {
    /// Of both.
    pub name: String,
    /// Whom the packet filter is to let in to what.
    pub access: Access,
    /// 1 s to 30 d.
    pub open_for: Duration,
    /// At least that.
    pub max_open_for: Option<Duration>,
    /// Whether its connections end with it.
    pub kills: bool,
    /// 1 s to 10 min.
    pub within: Duration,
    /// Why the sequence has to be allowed.
    pub weakness: Option<&'static str>,
    /// The address that is knocked at.
    pub target: Option<IpAddr>,
    /// What else is run when it opens.
    pub on_open: Vec<Command>,
    /// What else is run when it closes.
    pub on_close: Vec<Command>,
    /// What differs from the old one, of the door.
    pub notes: Vec<String>,
    /// Likewise, of the sequence.
    pub sequence_notes: Vec<String>,
}

/// What a line for the shell does.
#[derive(Default)]
struct Does {
    changes: Vec<Change>,
    kills: bool,
    others: Vec<Command>,
}

impl Does {
    /// That of the first line that is there.
    fn of(lines: [&Option<String>; 2]) -> Self {
        let mut does = Self::default();
        let line = lines.into_iter().flatten().find(|line| !line.is_empty());
        for command in line.map(|line| words::split(line)).unwrap_or_default() {
            match change::recognise(&command.words) {
                Some(Effect::Change(change)) => does.changes.push(change),
                Some(Effect::Kill) => does.kills = true,
                None => does.others.push(command),
            }
        }
        does
    }

    /// Whether both let the same in and out.
    fn is_like(&self, other: &Self) -> bool {
        let parts = |does: &Self| {
            let of = |change: &Change| {
                let Change { lets_in, protocol, ports, table, translates, .. } = change;
                (*lets_in, *protocol, ports.clone(), table.clone(), *translates)
            };
            let changes: Vec<_> = does.changes.iter().map(of).collect();
            (changes, does.kills, does.others.len())
        };
        parts(self) == parts(other)
    }

    fn is_nothing(&self) -> bool {
        self.changes.is_empty() && !self.kills && self.others.is_empty()
    }

    fn lets_in(&self) -> Vec<&Change> {
        self.changes.iter().filter(|change| change.lets_in).collect()
    }

    /// Whether it does nothing but take out.
    fn only_takes_out(&self) -> bool {
        !self.changes.is_empty() && self.lets_in().is_empty()
    }

    /// Whether some of it is undone by the other.
    fn is_undone_by(&self, other: &Self) -> bool {
        self.lets_in().into_iter().any(|change| {
            let undoes = |undo: &Change| !undo.lets_in && undo.rule == change.rule;
            other.changes.iter().any(undoes)
        })
    }
}

/// The fate of each door, in order.
#[must_use]
pub fn plan(doors: &[old::Door], dialect: &Dialect) -> Vec<Fate> {
    let starts: Vec<Does> =
        doors.iter().map(|door| Does::of([&door.start, &door.start_6])).collect();
    let mut names = BTreeSet::new();
    let mut taken: Vec<&old::Door> = Vec::new();
    let mut fates = Vec::with_capacity(doors.len());
    for (door, start) in doors.iter().zip(&starts) {
        // One that deletes before it adds is its own partner.
        let others = || doors.iter().zip(&starts).filter(|(other, _)| other.line != door.line);
        let opener = others().find(|(_, other)| other.is_undone_by(start));
        let closer = others().find(|(_, other)| start.is_undone_by(other));
        let closer = closer.map(|(door, _)| door);
        let why = useless(start, opener.map(|(door, _)| door))
            .or_else(|| unfit(door))
            .or_else(|| taken.iter().find_map(|other| clash(door, other)))
            .or_else(|| crowd(door, &taken));
        fates.push(match why {
            Some(why) => Fate::Left(why),
            None => {
                taken.push(door);
                let name = name(&door.name, &mut names);
                Fate::Taken(Box::new(take(door, name, start, closer, dialect)))
            }
        });
    }
    fates
}

/// Why no door of ours would do what it does.
fn useless(start: &Does, opener: Option<&old::Door>) -> Option<String> {
    if start.is_nothing() {
        return Some("it runs no command".into());
    }
    if !start.only_takes_out() {
        return None;
    }
    let what = match opener {
        Some(opener) => format!("it takes out what {} lets in", title(opener)),
        None => "it only takes out, which no sequence does".into(),
    };
    Some(format!("{what}. Doors close by themselves, and knockctl close shuts one at once"))
}

/// What of it our configuration cannot say.
fn unfit(door: &old::Door) -> Option<String> {
    if let Some(file) = &door.one_time {
        let is_odd = |character: char| is_unprintable(character) || character == '\u{fffd}';
        let name = Path::new(file).file_name().filter(|name| name.len() <= MAX_FILE_NAME);
        if name.is_none() || file.len() > MAX_PATH || file.contains(is_odd) {
            return Some("the path of its file is not one, or not plain".into());
        }
    } else if door.steps.iter().any(|step| step.number == 0) {
        return Some("its sequence has a port that is none; ports are 1 to 65535".into());
    }
    let target = door.target.as_deref()?;
    let text = format!("{} is not the address of a host", old::Quoted(target));
    host(target).is_none().then_some(text)
}

/// The address of a host.
fn host(text: &str) -> Option<IpAddr> {
    text.parse().ok().and_then(|target| address::host(target, Loopback::Refused))
}

/// What keeps two sequences from standing side by side.
fn clash(door: &old::Door, other: &old::Door) -> Option<String> {
    let list =
        |door: &old::Door| Some(Path::new(door.one_time.as_ref()?).file_name()?.to_owned());
    if list(door).is_some_and(|name| list(other) == Some(name)) {
        let text = format!("its file is called as that of {}", title(other));
        return Some(format!("{text}; give each door a file of its own"));
    }
    let (one, two) = (fixed(door)?, fixed(other)?);
    let common = one.len().min(two.len());
    (one[..common] == two[..common]).then(|| {
        let other = title(other);
        format!(
            "its sequence and that of {other} begin alike to the end of one; change a step, \
             or have one sequence open both doors"
        )
    })
}

/// Whether one packet would open too many doors.
fn crowd(door: &old::Door, taken: &[&old::Door]) -> Option<String> {
    let last = fixed(door)?.last()?;
    let alike = taken.iter().filter(|other| fixed(other).and_then(<[_]>::last) == Some(last));
    let text = || format!("more than {MAX_CLAIMS} sequences end at {last}; end it elsewhere");
    (alike.count() >= MAX_CLAIMS).then(text)
}

/// The steps, unless they come from a file.
fn fixed(door: &old::Door) -> Option<&[Port]> {
    door.one_time.is_none().then_some(&door.steps)
}

/// How comments call an old door.
#[must_use]
pub fn title(door: &old::Door) -> String {
    let name: String = door.name.chars().take(64).collect();
    format!("[{}]", shown(&name))
}

/// A name of ours that no door has yet.
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

fn take(
    door: &old::Door,
    name: String,
    start: &Does,
    closer: Option<&old::Door>,
    dialect: &Dialect,
) -> Door {
    let stop = Does::of([&door.stop, &door.stop_6]);
    let mut notes = Vec::new();
    let is_timed = !stop.is_nothing() && door.cmd_timeout >= 0;
    let (open_for, max_open_for) = if is_timed {
        (bounded(door.cmd_timeout, LONGEST_OPEN, "It was open for", &mut notes), None)
    } else {
        notes.push(match closer {
            Some(closer) => {
                format!("It stayed open until {}; now it closes by itself.", title(closer))
            }
            None => "It stayed open for ever; now it closes by itself.".into(),
        });
        (OPEN_FOR, Some(MAX_OPEN_FOR))
    };
    if differ(&door.start, &door.start_6) || differ(&door.stop, &door.stop_6) {
        notes.push("Its IPv6 commands do something else: compare.".into());
    }
    let mut sequence_notes = Vec::new();
    let within =
        bounded(door.seq_timeout, LONGEST_WITHIN, "Seq_Timeout was", &mut sequence_notes);
    let kills = start.kills || stop.kills;
    let can_kill = dialect.backend.kills_states;
    if kills && !can_kill {
        let title = dialect.backend.title;
        notes.push(format!("It ended connections, which {title} cannot."));
    }
    Door {
        access: Access::of(&start.lets_in(), &name, family(door), dialect),
        name,
        open_for,
        max_open_for,
        kills: kills && can_kill,
        within,
        weakness: fixed(door).and_then(config::weakness),
        target: door.target.as_deref().and_then(host),
        on_open: start.others.clone(),
        on_close: stop.others,
        notes,
        sequence_notes,
    }
}

/// Whether the commands of both families are there and do different things.
fn differ(v4: &Option<String>, v6: &Option<String>) -> bool {
    let there = |line: &Option<String>| line.as_ref().is_some_and(|line| !line.is_empty());
    let does = |line| Does::of([line, &None]);
    there(v4) && there(v6) && !does(v4).is_like(&does(v6))
}

/// Some seconds, 1 to `most`, and a note if it was less or more.
fn bounded(seconds: i64, most: i64, was: &str, notes: &mut Vec<String>) -> Duration {
    let fit = seconds.clamp(1, most);
    if fit != seconds {
        notes.push(format!("{was} {seconds} s."));
    }
    Duration::from_secs(fit.unsigned_abs())
}

fn family(door: &old::Door) -> Option<Family> {
    let is_there = |line: &Option<String>| line.as_ref().is_some_and(|line| !line.is_empty());
    let v4 = is_there(&door.start);
    let v6 = if door.start_6.is_some() { is_there(&door.start_6) } else { v4 };
    match (v4, v6) {
        (true, false) => Some(Family::V4),
        (false, true) => Some(Family::V6),
        _ => None,
    }
}
