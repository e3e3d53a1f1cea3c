//! Sequences whose steps change: what was knocked once opens nothing again.
//!
//! Of what the engine says, nothing is taken over that the keeper can work
//! out by itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::grant::COPY_WINDOW;
use super::service::Service;
use super::{Keeper, Origin};
use crate::config::{self, Config, Files, Problems};
use crate::core::door::DoorIndex;
use crate::core::one_time::{Line, OneTime};
use crate::core::permit::Once;
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::sequence::{SequenceIndex, Steps};
use crate::core::time::{Monotonic, Now};
use crate::keep::list;
use crate::log::event::Event;
use crate::message::parent::FromKeeper;

/// A list in use.
#[derive(Debug)]
pub struct List {
    sequence: SequenceIndex,
    path: PathBuf,
    /// The line that is awaited.
    next: usize,
    /// Who used the line before, by which engine, and when.
    last: Option<(IpAddr, u32, Monotonic)>,
}

/// A line that was struck out in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// Which file.
    pub path: PathBuf,
    /// Where the line begins.
    pub offset: u32,
}

/// The configuration in `files`, and in them what was struck out on the disk
/// since: the keeper that did it may have died before it said so.
///
/// # Errors
/// As [`config::parse_files`].
pub fn understand(mut files: Files) -> Result<Config, Problems> {
    let config = config::parse_files(&files)?;
    let mut is_stale = false;
    for (index, path) in &config.lists {
        let lines = match config.policy.sequence(*index).map(|sequence| &sequence.steps) {
            Some(Steps::OneTime(list)) => &list.lines[..],
            _ => &[],
        };
        // What cannot be read now is said when a line of it is knocked.
        for line in list::struck(path, lines).unwrap_or_default() {
            files.strike(path, line.offset);
            is_stale = true;
        }
    }
    if is_stale { config::parse_files(&files) } else { Ok(config) }
}

impl Service {
    /// Has whoever starts later know which lines were struck out.
    pub(super) fn keep_struck(&mut self) {
        let struck = std::mem::take(&mut self.keeper.struck);
        if struck.is_empty() {
            return;
        }
        for Struck { path, offset } in struck {
            self.config.files.strike(&path, offset);
        }
        if let Some(parent) = self.keeper.books.parent() {
            // If it is gone, the next turn tells.
            drop(parent.send(&FromKeeper::Keep { files: self.config.files.encode() }, None));
        }
    }
}

impl Keeper {
    /// Looks after these lists from now on, each of one sequence.
    pub fn use_lists(&mut self, lists: &[(SequenceIndex, PathBuf)]) {
        let fresh = |(sequence, path): &(SequenceIndex, PathBuf)| List {
            sequence: *sequence,
            path: path.clone(),
            next: 0,
            last: None,
        };
        self.lists = lists.iter().map(fresh).collect();
    }

    /// Records what a grant uses up, so that it opens nothing again.
    pub(super) fn use_up(
        &mut self,
        policy: &Policy,
        once: &Once<'_>,
        door: DoorIndex,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        match *once {
            Once::Nothing => Ok(()),
            Once::Token(owner, token) => self.record(owner, token, origin.engine, now),
            Once::Packet(owner, token) => self.record_for_one(owner, token, door, origin, now),
            Once::Period(begin, ..) if !self.journal.knows_since(begin, now) => {
                Err(Reason::Uncertain)
            }
            Once::Period(_, owner, token) => {
                self.record_for_one(owner, token, door, origin, now)
            }
            Once::Line(index, list, place) => {
                let name = policy.sequence(index).map_or("", |sequence| &sequence.name);
                self.strike(index, name, list, place, origin, now)
            }
        }
    }

    /// Strikes out the line of a list, and those before it that were knocked
    /// and came to nothing.
    fn strike(
        &mut self,
        index: SequenceIndex,
        name: &str,
        list: &OneTime,
        place: usize,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        let used = self.lists.iter_mut().find(|used| used.sequence == index);
        let used = used.ok_or(Reason::Failed)?;
        if place < used.next {
            let is_copy = used.last.is_some_and(|(source, engine, at)| {
                place + 1 == used.next
                    && source == origin.source
                    && engine != origin.engine
                    && now.monotonic.since(at) <= COPY_WINDOW
            });
            return Err(if is_copy { Reason::Duplicate } else { Reason::Replayed });
        }
        let lines = list.lines.get(used.next..=place).unwrap_or_default();
        let path = used.path.clone();
        used.next = place + 1;
        used.last = Some((origin.source, origin.engine, now.monotonic));
        let left = list.lines.len() - used.next;
        self.strike_lines(&path, lines, now.monotonic)?;
        if left == 0 {
            self.log.say(&Event::ListUsedUp { sequence: name, list: &path.display() });
        }
        Ok(())
    }

    fn strike_lines(
        &mut self,
        path: &Path,
        lines: &[Line],
        now: Monotonic,
    ) -> Result<(), Reason> {
        match list::strike(path, lines) {
            Ok(is_fresh) => {
                let struck = |line: &Line| Struck { path: path.into(), offset: line.offset };
                self.struck.extend(lines.iter().map(struck));
                // Another keeper struck it out and died before it said so.
                if is_fresh { Ok(()) } else { Err(Reason::Replayed) }
            }
            Err(error) => {
                let list = path.display();
                self.log.say_often(&Event::CannotStrike { list: &list, error: &error }, now);
                Err(Reason::Failed)
            }
        }
    }
}
