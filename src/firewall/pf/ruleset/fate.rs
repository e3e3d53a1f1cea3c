//! Follows packets through the ruleset.
#![forbid(unsafe_code)]

use super::line::{Action, Answer, Line};
use super::share::{Packets, Share};
use crate::core::sighting::Protocol;

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// No line matched: pf passes it.
    Untouched,
    /// It passed.
    Passed,
    /// It was dropped without an answer.
    Dropped,
    /// It was dropped with an answer.
    Answered,
    /// Unknown.
    Unknown,
}

/// What happens to some of the packets.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate<'a> {
    /// What happens.
    pub outcome: Outcome,
    /// The line that decided, if any did.
    pub by: Option<&'a Line>,
    /// A line that could have changed it, but was not understood.
    pub doubt: Option<&'a Line>,
}

/// The most fates of one outcome that are followed; each can be reported by one.
const MAX_ALIKE: usize = 8;

/// Fates without duplicates, at most `MAX_ALIKE` of an outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fates<'a>(Vec<Fate<'a>>);

impl<'a> Fates<'a> {
    fn add(&mut self, fate: Fate<'a>) {
        let is_sure = fate.doubt.is_none();
        let alike = self
            .0
            .iter()
            .filter(|it| it.outcome == fate.outcome && it.doubt.is_none() == is_sure);
        let is_there = self.0.iter().any(|it| same(it, &fate));
        if !is_there && alike.count() < MAX_ALIKE {
            self.0.push(fate);
        }
    }

    fn add_all(&mut self, fates: impl IntoIterator<Item = Fate<'a>>) {
        fates.into_iter().for_each(|fate| self.add(fate));
    }

    /// Records `line` as the doubt of those that have none.
    fn doubt(&mut self, line: &'a Line) {
        for fate in &mut self.0 {
            fate.doubt.get_or_insert(line);
        }
    }
}

/// Whether two come from the same lines, which are compared by their place.
fn same(one: &Fate<'_>, other: &Fate<'_>) -> bool {
    let place = |line: Option<&Line>| line.map(std::ptr::from_ref);
    one.outcome == other.outcome
        && place(one.by) == place(other.by)
        && place(one.doubt) == place(other.doubt)
}

/// The fates after some of the lines.
#[derive(Debug, Default)]
struct Progress<'a> {
    /// Those that no later line changes.
    finished: Fates<'a>,
    /// Those that a later line may change.
    open: Fates<'a>,
    /// A line that was not understood and may have decided for all.
    doubt: Option<&'a Line>,
}

/// Returns what can happen to `packets` in the ruleset of `lines`.
#[must_use]
pub fn follow<'a>(lines: &'a [Line], packets: &Packets<'_>) -> Vec<Fate<'a>> {
    let Progress { mut finished, open, .. } = walk(lines, packets);
    finished.add_all(open.0);
    finished.0
}

fn walk<'a>(lines: &'a [Line], packets: &Packets<'_>) -> Progress<'a> {
    let mut progress = Progress::default();
    progress.open.add(Fate { outcome: Outcome::Untouched, by: None, doubt: None });
    for line in lines {
        if progress.open.0.is_empty() {
            break;
        }
        let share = packets.share(line);
        if share != Share::None {
            progress.apply(line, share, packets);
        }
    }
    progress
}

impl<'a> Progress<'a> {
    /// Applies a line that `share` of the packets match.
    fn apply(&mut self, line: &'a Line, share: Share, packets: &Packets<'_>) {
        let fate = |outcome| Fate { outcome, by: Some(line), doubt: None };
        let mut inner = match &line.action {
            Action::Match if !line.rewrites => return,
            // The packet may go to another port from here on.
            Action::Match => {
                let fate = Fate { doubt: Some(line), ..fate(Outcome::Unknown) };
                return self.finished.add(fate);
            }
            Action::Pass => decided(fate(Outcome::Passed)),
            Action::Drop => decided(fate(Outcome::Dropped)),
            Action::Answer(answer) => decided(fate(blocked(*answer, packets))),
            Action::Unread => decided(fate(Outcome::Unknown)),
            Action::Anchor(anchor) => match &anchor.lines {
                Some(lines) => walk(lines, packets),
                None => {
                    let mut progress = walk(&[], packets);
                    progress.open.add(fate(Outcome::Unknown));
                    progress.open.doubt(line);
                    progress
                }
            },
        };
        if line.is_quick {
            inner.finish();
        }
        if share == Share::Unclear {
            self.open.doubt(line);
            inner.finished.doubt(line);
            inner.open.doubt(line);
            if !inner.finished.0.is_empty() {
                self.doubt.get_or_insert(line);
            }
        }
        self.take(inner, share);
    }

    /// Makes what is decided final, because evaluation ends.
    fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        for fate in open.0 {
            if fate.outcome == Outcome::Untouched {
                self.open.add(fate);
            } else {
                self.finished.add(fate);
            }
        }
    }

    /// Continues where `inner` ended. What it left untouched is as before, with the
    /// doubt that came up in it.
    fn take(&mut self, mut inner: Progress<'a>, share: Share) {
        self.doubt = self.doubt.or(inner.doubt);
        if let Some(line) = self.doubt {
            inner.finished.doubt(line);
            inner.open.doubt(line);
        }
        let before = std::mem::take(&mut self.open);
        self.finished.add_all(inner.finished.0);
        for fate in inner.open.0 {
            if fate.outcome == Outcome::Untouched {
                let kept = before.0.iter();
                self.open
                    .add_all(kept.map(|it| Fate { doubt: it.doubt.or(fate.doubt), ..*it }));
            } else {
                self.open.add(fate);
            }
        }
        if share != Share::All {
            self.open.add_all(before.0);
        }
    }
}

/// The progress after a line that decides for all.
fn decided(fate: Fate<'_>) -> Progress<'_> {
    let mut progress = Progress::default();
    progress.open.add(fate);
    progress
}

const fn blocked(answer: Answer, packets: &Packets<'_>) -> Outcome {
    match (answer, packets.port.protocol) {
        (Answer::Reset, Protocol::Udp) => Outcome::Dropped,
        (Answer::All | Answer::Reset, _) => Outcome::Answered,
    }
}
