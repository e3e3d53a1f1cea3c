//! What becomes of packets on their way through the ruleset.
#![forbid(unsafe_code)]

use super::line::{Action, Answer, Line};
use super::share::{Packets, Share};
use crate::core::sighting::Protocol;

/// The end of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// No line matched: pf passes it.
    Untouched,
    /// It passed.
    Passed,
    /// It was dropped without a word.
    Dropped,
    /// It was dropped, and the kernel answers.
    Answered,
    /// It cannot be told.
    Unknown,
}

/// What becomes of some of the packets.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate<'a> {
    /// The end of their way.
    pub end: End,
    /// The line that decided, if any did.
    pub by: Option<&'a Line>,
    /// A line that could have changed it, but was not understood.
    pub doubt: Option<&'a Line>,
}

/// The most fates of one end that are followed; each can be told by one.
const MAX_ALIKE: usize = 8;

/// Fates without doubles, bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fates<'a>(Vec<Fate<'a>>);

impl<'a> Fates<'a> {
    fn add(&mut self, fate: Fate<'a>) {
        let is_sure = fate.doubt.is_none();
        let alike =
            self.0.iter().filter(|it| it.end == fate.end && it.doubt.is_none() == is_sure);
        let is_there = self.0.iter().any(|it| same(it, &fate));
        if !is_there && alike.count() < MAX_ALIKE {
            self.0.push(fate);
        }
    }

    fn add_all(&mut self, fates: impl IntoIterator<Item = Fate<'a>>) {
        fates.into_iter().for_each(|fate| self.add(fate));
    }

    /// Puts in doubt what is not doubted yet.
    fn doubt(&mut self, line: &'a Line) {
        for fate in &mut self.0 {
            fate.doubt.get_or_insert(line);
        }
    }
}

/// Whether two are told by the same lines; those are compared by their place.
fn same(one: &Fate<'_>, other: &Fate<'_>) -> bool {
    let place = |line: Option<&Line>| line.map(std::ptr::from_ref);
    one.end == other.end
        && place(one.by) == place(other.by)
        && place(one.doubt) == place(other.doubt)
}

/// How far the packets came.
#[derive(Debug, Default)]
struct Way<'a> {
    /// Decided for good.
    settled: Fates<'a>,
    /// Decided unless a later line matches.
    open: Fates<'a>,
    /// A line that was not understood and may have been the last for all.
    doubt: Option<&'a Line>,
}

/// What can become of `packets` in the ruleset of `lines`.
#[must_use]
pub fn follow<'a>(lines: &'a [Line], packets: &Packets<'_>) -> Vec<Fate<'a>> {
    let Way { mut settled, open, .. } = walk(lines, packets);
    settled.add_all(open.0);
    settled.0
}

fn walk<'a>(lines: &'a [Line], packets: &Packets<'_>) -> Way<'a> {
    let mut way = Way::default();
    way.open.add(Fate { end: End::Untouched, by: None, doubt: None });
    for line in lines {
        if way.open.0.is_empty() {
            break;
        }
        let share = packets.share(line);
        if share != Share::None {
            way.meet(line, share, packets);
        }
    }
    way
}

impl<'a> Way<'a> {
    /// Goes past a line that `share` of the packets match.
    fn meet(&mut self, line: &'a Line, share: Share, packets: &Packets<'_>) {
        let fate = |end| Fate { end, by: Some(line), doubt: None };
        let mut inner = match &line.action {
            Action::Match if !line.rewrites => return,
            // Where the packet goes from here on, other ports may count.
            Action::Match => {
                let fate = Fate { doubt: Some(line), ..fate(End::Unknown) };
                return self.settled.add(fate);
            }
            Action::Pass => decided(fate(End::Passed)),
            Action::Drop => decided(fate(End::Dropped)),
            Action::Answer(answer) => decided(fate(ended(*answer, packets))),
            Action::Unread => decided(fate(End::Unknown)),
            Action::Anchor(anchor) => match &anchor.lines {
                Some(lines) => walk(lines, packets),
                None => {
                    let mut way = walk(&[], packets);
                    way.open.add(fate(End::Unknown));
                    way.open.doubt(line);
                    way
                }
            },
        };
        if line.is_quick {
            inner.settle();
        }
        if share == Share::Unclear {
            self.open.doubt(line);
            inner.settled.doubt(line);
            inner.open.doubt(line);
            if !inner.settled.0.is_empty() {
                self.doubt.get_or_insert(line);
            }
        }
        self.take(inner, share);
    }

    /// Nothing can change any more what a line has decided.
    fn settle(&mut self) {
        let open = std::mem::take(&mut self.open);
        for fate in open.0 {
            if fate.end == End::Untouched {
                self.open.add(fate);
            } else {
                self.settled.add(fate);
            }
        }
    }

    /// Goes on where `inner` ends. What it left untouched is as it was before,
    /// but not without the doubt that came up meanwhile.
    fn take(&mut self, mut inner: Way<'a>, share: Share) {
        self.doubt = self.doubt.or(inner.doubt);
        if let Some(line) = self.doubt {
            inner.settled.doubt(line);
            inner.open.doubt(line);
        }
        let before = std::mem::take(&mut self.open);
        self.settled.add_all(inner.settled.0);
        for fate in inner.open.0 {
            if fate.end == End::Untouched {
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

/// Behind a line that decides about all.
fn decided(fate: Fate<'_>) -> Way<'_> {
    let mut way = Way::default();
    way.open.add(fate);
    way
}

const fn ended(answer: Answer, packets: &Packets<'_>) -> End {
    match (answer, packets.port.protocol) {
        (Answer::Reset, Protocol::Udp) => End::Dropped,
        (Answer::All | Answer::Reset, _) => End::Answered,
    }
}
