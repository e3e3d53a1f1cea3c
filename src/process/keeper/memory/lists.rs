//! Lists of one-time sequences: a line that was knocked is struck out in its
//! file, and opens nothing again.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{COPY_WINDOW, Origin};
use crate::config::{self, Config, Files, Problems};
use crate::core::one_time::{Line, OneTime};
use crate::core::reason::Reason;
use crate::core::sequence::{SequenceIndex, Steps};
use crate::core::time::Monotonic;
use crate::keep::list;
use crate::log::Log;
use crate::log::event::Event;

/// A list in use.
#[derive(Debug)]
struct List {
    sequence: SequenceIndex,
    path: PathBuf,
    /// The first line that was not used.
    next: usize,
    /// The offset of the last line that was.
    used: Option<u32>,
    /// The source and the engine that used the line before, and when.
    last: Option<(IpAddr, u32, Monotonic)>,
}

/// A line that was struck out in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// The file.
    pub path: PathBuf,
    /// Where the line begins.
    pub offset: u32,
}

/// All lists, and what was struck out lately.
pub struct Lists {
    all: Vec<List>,
    struck: Vec<Struck>,
    log: Log,
}

/// The configuration in `files`, without lines that were struck out on the disk
/// since: the keeper that did it may have died before it passed that on.
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
        // A list that cannot be read is reported when a line of it is knocked.
        for line in list::struck(path, lines).unwrap_or_default() {
            files.strike(path, line.offset);
            is_stale = true;
        }
    }
    if is_stale { config::parse_files(&files) } else { Ok(config) }
}

impl Lists {
    /// No lists.
    pub const fn new(log: Log) -> Self {
        Self { all: Vec::new(), struck: Vec::new(), log }
    }

    /// Uses these lists from now on.
    pub fn replace(&mut self, lists: &[(SequenceIndex, PathBuf)]) {
        let fresh = |(sequence, path): &(SequenceIndex, PathBuf)| List {
            sequence: *sequence,
            path: path.clone(),
            next: 0,
            used: None,
            last: None,
        };
        self.all = lists.iter().map(fresh).collect();
    }

    /// The lines that were struck out since the last call.
    pub fn take_struck(&mut self) -> Vec<Struck> {
        std::mem::take(&mut self.struck)
    }

    /// The offset of the last used line of each list that has one.
    pub fn used(&self) -> Vec<(SequenceIndex, u32)> {
        self.all.iter().filter_map(|list| Some((list.sequence, list.used?))).collect()
    }

    /// Strikes out the line at `place`, and those before it, which were knocked
    /// without success or lost on their way.
    ///
    /// # Errors
    /// The reason why the line is refused.
    pub fn strike(
        &mut self,
        (index, name): (SequenceIndex, &str),
        list: &OneTime,
        place: usize,
        origin: &Origin,
        now: Monotonic,
    ) -> Result<(), Reason> {
        let used = self.all.iter_mut().find(|used| used.sequence == index);
        let used = used.ok_or(Reason::Failed)?;
        if place < used.next {
            let is_copy = used.last.is_some_and(|(source, engine, at)| {
                place + 1 == used.next
                    && source == origin.source
                    && engine != origin.engine
                    && now.since(at) <= COPY_WINDOW
            });
            return Err(if is_copy { Reason::Duplicate } else { Reason::Replayed });
        }
        let lines = list.lines.get(used.next..=place).unwrap_or_default();
        let path = used.path.clone();
        used.next = place + 1;
        used.used = lines.last().map(|line| line.offset);
        used.last = Some((origin.source, origin.engine, now));
        let left = list.lines.len() - used.next;
        self.strike_lines(&path, lines, now)?;
        if left == 0 {
            self.log.write(&Event::ListUsedUp { sequence: name, list: &path.display() });
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
                // Another keeper struck it out and died before it passed that on.
                if is_fresh { Ok(()) } else { Err(Reason::Replayed) }
            }
            Err(error) => {
                let list = path.display();
                let event = Event::CannotStrike { list: &list, error: &error };
                self.log.write_limited(&event, now);
                Err(Reason::Failed)
            }
        }
    }
}
