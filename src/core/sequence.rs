//! Follows each source through knock sequences.
//!
//! No source affects the attempts of another, except that the number of
//! attempts is limited. At the limit a new attempt replaces one whose time is
//! over, else the least advanced, and of those the oldest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::address;
use super::door::DoorIndex;
use super::one_time::OneTime;
use super::reason::Reason;
use super::rolling::Rolling;
use super::sighting::{FlagMask, Port, Segment, Sighting};
use super::time::Monotonic;

/// The most steps that a sequence may have.
pub const MAX_STEPS: usize = 32;

/// The most bytes of memory that one attempt takes in the three ordered maps of
/// [`Attempts`], whose nodes may be half empty.
pub const ATTEMPT_SIZE: usize = 448;

/// The place of a sequence in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceIndex(pub u16);

/// Ordered knocks that open doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Its name in the log.
    pub name: String,
    /// The ports to knock.
    pub steps: Steps,
    /// The longest time from the first knock to the last.
    pub within: Duration,
    /// Which TCP segments count as knocks.
    pub flags: FlagMask,
    /// Whether packets that are no steps end the attempt: TCP segments with
    /// these flags if a step is TCP, datagrams as [`watched`] if one is UDP.
    pub strict: bool,
    /// The doors that the last knock opens.
    pub doors: Vec<DoorIndex>,
    /// Our addresses that it may be knocked at; empty is any. Packets to other
    /// addresses are ignored.
    pub targets: Vec<IpAddr>,
}

/// Where the steps of a sequence come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steps {
    /// The configuration: 1 to [`MAX_STEPS`] ports, in order.
    Fixed(Vec<Port>),
    /// A secret and the time.
    Rolling(Rolling),
    /// A list. Each line counts once.
    OneTime(OneTime),
}

impl Steps {
    /// Every port that is a step now or may be one later, except of a rolling
    /// sequence.
    pub fn ports(&self) -> impl Iterator<Item = &Port> {
        let (fixed, lines) = match self {
            Self::Fixed(steps) => (&steps[..], &[][..]),
            Self::OneTime(list) => (&[][..], &list.lines[..]),
            Self::Rolling(_) => (&[][..], &[][..]),
        };
        fixed.iter().chain(lines.iter().flat_map(|line| &line.steps))
    }

    /// The steps, if they are fixed.
    #[must_use]
    pub fn fixed(&self) -> Option<&[Port]> {
        match self {
            Self::Fixed(steps) => Some(steps),
            Self::Rolling(_) | Self::OneTime(_) => None,
        }
    }
}

impl Sequence {
    fn is_knock(&self, sighting: &Sighting<'_>) -> bool {
        match sighting.segment {
            Segment::Tcp { flags, .. } => self.flags.matches(flags),
            Segment::Udp { .. } => true,
        }
    }
}

/// The UDP ports at which a datagram may be of a scan that goes through `steps`;
/// `None` if no step is UDP. The ports below 1024 and above 32767 are left to
/// services and to answers unless a step is there too.
#[must_use]
pub fn watched<'a>(steps: impl Iterator<Item = &'a Port>) -> Option<RangeInclusive<u16>> {
    let numbers = steps.filter(|step| !step.is_tcp()).map(|step| step.number);
    let (lowest, highest) = numbers.fold(None, |bounds, number| {
        let (lowest, highest) = bounds.unwrap_or((number, number));
        Some((number.min(lowest), number.max(highest)))
    })?;
    let first = if lowest < 1_024 { 1 } else { 1_024 };
    Some(first..=if highest < 32_768 { 32_767 } else { u16::MAX })
}

/// What a sighting did to one source's attempt at one sequence.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was the last step: open the doors.
    Complete,
    /// It was not: [`Reason::Step`], [`Reason::Duplicate`], [`Reason::Reset`] or
    /// [`Reason::Idle`].
    Not(Reason),
}

/// A sequence and which of its steps: the number of the period or the offset of
/// the line; 0 if they are fixed.
pub type Turn = (SequenceIndex, u64);

/// One source at one turn of a sequence.
type Key = (Ipv6Addr, Turn);

/// A hash that copies of a knock share: of the source port and, for TCP, the
/// sequence number, multiplied by 2^32 over the golden ratio and cut. Two knocks
/// to one port have the same mark once in 65536.
type Mark = u16;

fn mark(sighting: &Sighting<'_>) -> Mark {
    let (source_port, sequence) = match sighting.segment {
        Segment::Tcp { source_port, sequence, .. } => (source_port, sequence),
        Segment::Udp { source_port, .. } => (source_port, 0),
    };
    let scattered = (sequence ^ (u32::from(source_port) << 16)).wrapping_mul(0x9e37_79b1);
    (scattered >> 16) as Mark
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    /// Steps done: at least one, never all.
    advanced: u8,
    /// The only watched UDP port besides the steps that a datagram went to.
    other: Option<u16>,
    /// The interface of the first knock.
    interface: u32,
    started: Monotonic,
    deadline: Monotonic,
    /// The marks of the steps done.
    marks: [Mark; MAX_STEPS],
}

impl Attempt {
    /// Whether `sighting` repeats a knock of the attempt: a retransmission, or a
    /// copy at another interface, which may be read after later knocks. UDP
    /// datagrams have no sequence number, so only one at another interface
    /// counts as a copy.
    fn has_seen(&self, steps: &[Port], sighting: &Sighting<'_>) -> bool {
        let (port, mark) = (sighting.port(), mark(sighting));
        let may_be_copy = port.is_tcp() || sighting.interface != self.interface;
        let mut done = steps.iter().zip(&self.marks).take(self.advanced.into());
        may_be_copy && done.any(|step| step == (&port, &mark))
    }
}

/// All attempts that are under way.
#[derive(Debug)]
pub struct Attempts {
    capacity: usize,
    by_key: BTreeMap<Key, Attempt>,
    by_worth: BTreeSet<(u8, Monotonic, Key)>,
    by_deadline: BTreeSet<(Monotonic, Key)>,
}

impl Attempts {
    /// Room for `capacity` attempts, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            by_key: BTreeMap::new(),
            by_worth: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
        }
    }

    /// How many attempts are held, including those whose time is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no attempt is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Follows `sighting` through `steps`, which are those of `turn`. Takes time
    /// that grows with the logarithm of the capacity.
    pub fn observe(
        &mut self,
        turn: Turn,
        sequence: &Sequence,
        steps: &[Port],
        sighting: &Sighting<'_>,
        now: Monotonic,
    ) -> Progress {
        let key = (source_key(sighting.source), turn);
        let port = sighting.port();
        let is_knock = sequence.is_knock(sighting);
        let Some(attempt) = self.under_way(key, now) else {
            return self.begin(key, sequence, steps, sighting, now);
        };
        let advanced = usize::from(attempt.advanced);
        let is_copy = is_knock && attempt.has_seen(steps, sighting);
        if is_knock && !is_copy && steps.get(advanced) == Some(&port) {
            return self.advance(key, attempt, steps, sighting);
        }
        if is_copy || (is_knock && steps.get(advanced - 1) == Some(&port)) {
            return Progress::Not(Reason::Duplicate);
        }
        let is_any_step = steps.contains(&port);
        if is_any_step && is_knock {
            self.forget(key);
            return match self.begin(key, sequence, steps, sighting, now) {
                Progress::Not(Reason::Idle) => Progress::Not(Reason::Reset),
                begun => begun,
            };
        }
        if sequence.strict && is_knock && self.is_scan(key, steps, port) {
            self.forget(key);
            return Progress::Not(Reason::Reset);
        }
        Progress::Not(Reason::Idle)
    }

    /// Whether a packet to `port`, which is no step, shows that the attempt is
    /// part of a scan. Datagrams to one other port are not: a tunnel or another
    /// connection of the source goes on.
    fn is_scan(&mut self, key: Key, steps: &[Port], port: Port) -> bool {
        if port.is_tcp() {
            return steps.iter().any(Port::is_tcp);
        }
        if !watched(steps.iter()).is_some_and(|ports| ports.contains(&port.number)) {
            return false;
        }
        let attempt = self.by_key.get_mut(&key);
        attempt.is_some_and(|it| *it.other.get_or_insert(port.number) != port.number)
    }

    /// The attempt of `key`, unless its time is over.
    fn under_way(&mut self, key: Key, now: Monotonic) -> Option<Attempt> {
        let attempt = *self.by_key.get(&key)?;
        if now > attempt.deadline {
            self.forget(key);
            return None;
        }
        Some(attempt)
    }

    fn begin(
        &mut self,
        key: Key,
        sequence: &Sequence,
        steps: &[Port],
        sighting: &Sighting<'_>,
        now: Monotonic,
    ) -> Progress {
        if !sequence.is_knock(sighting) || steps.first() != Some(&sighting.port()) {
            return Progress::Not(Reason::Idle);
        }
        if steps.len() == 1 {
            return Progress::Complete;
        }
        self.make_room(now);
        let mut marks = [0; MAX_STEPS];
        marks[0] = mark(sighting);
        let attempt = Attempt {
            advanced: 1,
            other: None,
            interface: sighting.interface,
            started: now,
            deadline: now + sequence.within,
            marks,
        };
        self.insert(key, attempt);
        Progress::Not(Reason::Step)
    }

    fn advance(
        &mut self,
        key: Key,
        mut attempt: Attempt,
        steps: &[Port],
        sighting: &Sighting<'_>,
    ) -> Progress {
        self.forget(key);
        let place = usize::from(attempt.advanced);
        if place + 1 == steps.len() {
            return Progress::Complete;
        }
        if let Some(slot) = attempt.marks.get_mut(place) {
            *slot = mark(sighting);
        }
        attempt.advanced += 1;
        self.insert(key, attempt);
        Progress::Not(Reason::Step)
    }

    /// Drops one attempt at most, so the work per packet is bounded.
    fn make_room(&mut self, now: Monotonic) {
        if self.by_key.len() < self.capacity {
            return;
        }
        let overdue = self.by_deadline.first().filter(|(deadline, _)| now > *deadline);
        let victim = overdue
            .map(|(_, key)| *key)
            .or_else(|| self.by_worth.first().map(|(_, _, key)| *key));
        if let Some(key) = victim {
            self.forget(key);
        }
    }

    fn insert(&mut self, key: Key, attempt: Attempt) {
        self.by_worth.insert((attempt.advanced, attempt.started, key));
        self.by_deadline.insert((attempt.deadline, key));
        self.by_key.insert(key, attempt);
    }

    fn forget(&mut self, key: Key) {
        if let Some(attempt) = self.by_key.remove(&key) {
            self.by_worth.remove(&(attempt.advanced, attempt.started, key));
            self.by_deadline.remove(&(attempt.deadline, key));
        }
    }
}

fn source_key(source: IpAddr) -> Ipv6Addr {
    address::to_v6(source)
}
