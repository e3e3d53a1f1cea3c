//! Sequences whose steps change: what was knocked once opens nothing again.
//!
//! Of what the engine says, nothing is taken over that the keeper can work
//! out by itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::grant::COPY_WINDOW;
use super::service::Service;
use super::{Keeper, Origin};
use crate::config::{self, Config, Files, Problems};
use crate::core::gate::Claim;
use crate::core::one_time::{Line, OneTime};
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::replay::ReplayId;
use crate::core::sequence::Sequence;
use crate::core::time::{Monotonic, Now};
use crate::core::token::UserId;
use crate::keep::list;
use crate::log::event::Event;
use crate::message::parent::FromKeeper;

/// A list in use.
#[derive(Debug)]
pub struct List {
    /// Its sequence, by place.
    sequence: u16,
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
    for (place, path) in &config.lists {
        let sequence = config.policy.sequence(*place);
        let lines = sequence.and_then(Sequence::one_time).map_or(&[][..], |list| &list.lines);
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
    /// Looks after these lists from now on, each of the sequence at a place.
    pub fn use_lists(&mut self, lists: &[(u16, PathBuf)]) {
        let fresh = |(sequence, path): &(u16, PathBuf)| List {
            sequence: *sequence,
            path: path.clone(),
            next: 0,
            last: None,
        };
        self.lists = lists.iter().map(fresh).collect();
    }

    /// Sees to it that what was knocked opens nothing again.
    pub(super) fn use_up(
        &mut self,
        policy: &Arc<Policy>,
        claim: &Claim,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        if claim.address != origin.source {
            return Err(Reason::Address);
        }
        let sequence = claim.sequence.and_then(|place| policy.sequence(place));
        let sequence = sequence.ok_or(Reason::Forbidden)?;
        if let Some(list) = sequence.one_time() {
            return self.strike(sequence, list, claim, origin, now);
        }
        let (id, token) = self.rolling_token(policy, sequence, claim, now)?;
        self.record_for_one(id, token, claim.door, origin, now)
    }

    /// Strikes out the line of a list, and those before it that were knocked
    /// and came to nothing.
    fn strike(
        &mut self,
        sequence: &Sequence,
        list: &OneTime,
        claim: &Claim,
        origin: &Origin,
        now: Now,
    ) -> Result<(), Reason> {
        let offset = claim.replay.map_or(u32::MAX, |token| token.counter);
        let place = list.place(offset).ok_or(Reason::Forbidden)?;
        let used = self.lists.iter_mut().find(|used| Some(used.sequence) == claim.sequence);
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
            let (sequence, list) = (sequence.name.as_str(), path.display());
            self.log.say(&Event::ListUsedUp { sequence, list: &list });
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

    /// What is remembered of a rolling sequence, worked out anew: of what the
    /// engine says, only the period is taken, and that only if it holds.
    fn rolling_token(
        &self,
        policy: &Policy,
        sequence: &Sequence,
        claim: &Claim,
        now: Now,
    ) -> Result<(UserId, ReplayId), Reason> {
        let rolling = sequence.rolling().ok_or(Reason::Forbidden)?;
        let current = rolling.period_at(now.wall);
        let periods = [current, current.saturating_sub(1)];
        let tokens = periods
            .map(|period| (period, rolling.token(period, claim.address, policy.max_skew())));
        let claimed = claim.replay.map(|token| token.id);
        let (period, token) = tokens
            .into_iter()
            .find(|(_, token)| Some(token.id) == claimed)
            .ok_or(Reason::Stale)?;
        if !self.journal.knows_since(rolling.begin(period), now) {
            return Err(Reason::Uncertain);
        }
        Ok((rolling.id(), token))
    }
}
