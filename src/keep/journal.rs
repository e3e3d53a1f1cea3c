//! The replay journal: the tokens that were accepted, across every restart.
//!
//! It is one file in the state directory: a head of one slot, then a slot for
//! each token and for the counter of each security key. The slot of a stale
//! token is reused. Its time of issue raises the barrier, which every later slot
//! carries: tokens issued at or before it are refused.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::journal_file::{EMPTY, Found, Head, Line, find};
pub use super::journal_file::{Loss, NAME};
use super::slots::{self, Durable, SlotFile};
use crate::core::reason::Reason;
pub use crate::core::replay::MAX_CAPACITY;
use crate::core::replay::{Barrier, Replay, ReplayId, SHARE};
use crate::core::time::{BootId, Now, Wall};
use crate::core::token::UserId;
use crate::sys::ours::is_ours;

/// How many tokens the journal holds for this many credentials.
#[must_use]
pub fn capacity(credentials: usize) -> usize {
    credentials.saturating_mul(SHARE).clamp(SHARE, MAX_CAPACITY)
}

/// The tokens that were accepted, in memory and on disk. Each has a note, in
/// memory only.
#[derive(Debug)]
pub struct Journal<N> {
    directory: PathBuf,
    boot: BootId,
    replay: Replay<N>,
    /// The slots as on disk.
    lines: Vec<Option<Line>>,
    free: Vec<u32>,
    /// The slots that hold counters of security keys.
    counters: BTreeMap<UserId, u32>,
    /// The latest time of issue of tokens whose slots were reused.
    forgotten: Wall,
    file: Result<SlotFile, String>,
    loss: Option<Loss>,
}

impl<N: Default> Journal<N> {
    /// Opens the journal in `directory` for `capacity` tokens. Creates the
    /// directory if it is missing. Never fails: when the journal cannot be
    /// written, [`trouble`](Self::trouble) returns the reason, and
    /// [`record`](Self::record) refuses every token.
    #[must_use]
    pub fn open(
        directory: &Path,
        boot: BootId,
        capacity: usize,
        max_skew: Duration,
        now: Now,
    ) -> Self {
        // Others could have written a journal into a directory open to them.
        let (found, loss) = match prepare(directory) {
            Ok(()) => find(directory, boot),
            Err(error) => (Found::default(), Some(Loss::Unreadable(error.to_string()))),
        };
        let barrier = found.barrier();
        let mut replay = match (&loss, found.head.and_then(|head| head.loss_in(boot))) {
            (Some(_), _) => Replay::after_loss(now, max_skew),
            (None, Some(loss)) => {
                Replay::with_barrier(Barrier { forgotten: barrier, loss: Some(loss) })
            }
            (None, None) => Replay::new(barrier),
        };
        replay.raise(barrier);
        replay.widen(max_skew);
        let mut counters = BTreeMap::new();
        for (number, line) in (0..).zip(&found.lines) {
            match *line {
                Line::Token { user, token } => replay.restore(user, token, N::default()),
                Line::Counter { user, counter } => {
                    replay.restore_counter(user, counter);
                    counters.insert(user, number);
                }
            }
        }
        let mut journal = Self {
            directory: directory.to_owned(),
            boot,
            replay,
            lines: found.lines.into_iter().map(Some).collect(),
            free: Vec::new(),
            counters,
            forgotten: barrier,
            file: Err(String::new()),
            loss,
        };
        journal.resize(capacity);
        journal.begin(now);
        journal
    }

    /// Records that `user` used `token`, in memory and in the file. Forgets
    /// stale tokens.
    ///
    /// # Errors
    /// Those of [`Replay::record`]; [`Reason::Full`] also when no slot is
    /// left, [`Reason::Failed`] when the file cannot be written. The door must
    /// stay closed then, and the token is not accepted later either.
    pub fn record(
        &mut self,
        user: UserId,
        token: ReplayId,
        note: N,
        now: Now,
    ) -> Result<(), Reason> {
        if self.file.is_err() {
            return Err(Reason::Failed);
        }
        // The slot of a counter is never reused.
        let new_counter = token.counter != 0 && !self.counters.contains_key(&user);
        let needed = 1 + usize::from(new_counter);
        if self.free.len() < needed {
            self.forgotten =
                self.forgotten.max(forget(&mut self.lines, &mut self.free, now.wall));
        }
        if new_counter && self.counters.len() >= MAX_CAPACITY {
            return Err(Reason::Full);
        }
        if self.free.len() < needed {
            return Err(Reason::Full);
        }
        self.replay.record(user, token, note, now)?;
        // The counter first: it alone keeps the token from being accepted again
        // if the process dies between the two writes.
        if token.counter != 0 {
            let number = self.counters.get(&user).copied().or_else(|| self.free.pop());
            let number = number.ok_or(Reason::Full)?;
            self.counters.insert(user, number);
            self.write(number, Line::Counter { user, counter: token.counter })?;
        }
        let number = self.free.pop().ok_or(Reason::Full)?;
        self.write(number, Line::Token { user, token })
    }

    /// Writes a slot. If that fails, [`retry`](Self::retry) writes it with the
    /// whole file.
    fn write(&mut self, number: u32, line: Line) -> Result<(), Reason> {
        if let Some(slot) = usize::try_from(number).ok().and_then(|n| self.lines.get_mut(n)) {
            *slot = Some(line);
        }
        let Ok(file) = &self.file else { return Err(Reason::Failed) };
        let barrier = self.forgotten.max(self.replay.barrier_state().forgotten);
        if let Err(error) = file.write(number, &line.encode(barrier)) {
            self.file = Err(self.cannot("write", &error));
            return Err(Reason::Failed);
        }
        Ok(())
    }

    /// Adapts the journal to a new configuration. It never shrinks, and a larger
    /// skew makes no refused token acceptable.
    pub fn fit(&mut self, capacity: usize, max_skew: Duration, now: Now) {
        let before = self.replay.barrier_state();
        self.replay.widen(max_skew);
        if capacity + self.counters.len() > self.lines.len() {
            self.resize(capacity);
        } else if before == self.replay.barrier_state() {
            return;
        }
        self.begin(now);
    }

    /// Tries to write the journal again; true on success. The tokens accepted
    /// before are still in memory, so none is lost.
    pub fn retry(&mut self, now: Now) -> bool {
        self.begin(now);
        self.file.is_ok()
    }

    fn resize(&mut self, capacity: usize) {
        let wanted = capacity + self.counters.len();
        self.lines.resize(wanted.max(self.lines.len()), None);
        let free = (0..).zip(&self.lines).filter(|(_, line)| line.is_none());
        self.free = free.map(|(number, _)| number).collect();
        // The lowest is taken first.
        self.free.reverse();
    }
}

impl<N> Journal<N> {
    /// The note made when `user` used the token `id`.
    #[must_use]
    pub fn seen(&self, user: &UserId, id: &[u8; 16]) -> Option<&N> {
        self.replay.seen(user, id)
    }

    /// The tokens that are not stale, with their users and notes.
    pub fn live(&self, now: Wall) -> impl Iterator<Item = (UserId, ReplayId, &N)> {
        self.replay.live(now)
    }

    /// Whether every token used since `begin` is known.
    #[must_use]
    pub fn knows_since(&self, begin: Wall, now: Now) -> bool {
        self.replay.knows_since(begin, now)
    }

    /// Which tokens are too old to be accepted.
    #[must_use]
    pub fn barrier(&self) -> Barrier {
        self.replay.barrier_state()
    }

    /// Why the journal cannot be written, as one line.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.file.as_ref().err().map(String::as_str)
    }

    /// Why the tokens accepted before the start are not known.
    #[must_use]
    pub const fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }

    /// How many slots are used, and how many there are.
    #[must_use]
    pub fn room(&self) -> (usize, usize) {
        (self.lines.len() - self.free.len(), self.lines.len())
    }

    /// Marks the journal as complete, so that the next start trusts it even
    /// after a reboot. Does not mark it within twice the skew after a start that
    /// did not know the tokens accepted before: one of them could become fresh
    /// when the clock is corrected.
    ///
    /// # Errors
    /// Those of the system; then the next start does not trust the journal.
    pub fn finish(&mut self, now: Now) -> io::Result<()> {
        let Ok(file) = &self.file else { return Ok(()) };
        file.sync()?;
        let loss = self.replay.barrier_state().loss;
        if loss.is_some_and(|(started, skew)| now.monotonic.since(started) < 2 * skew) {
            return Ok(());
        }
        let barrier = self.forgotten.max(self.replay.barrier(now));
        let head = Head { is_clean: true, barrier, ..self.head() };
        file.write_head(&head.encode())?;
        file.sync()
    }

    /// Writes a new file. Until [`finish`](Self::finish), the next start after a
    /// reboot does not trust it.
    fn begin(&mut self, now: Now) {
        let barrier = self.forgotten.max(self.replay.barrier(now));
        let head = Head { barrier, ..self.head() };
        // Empty slots have a checksum too: a slot that the disk lost is damaged.
        let contents =
            self.lines.iter().map(|line| line.map_or(EMPTY, |line| line.encode(barrier)));
        let slots = (0..).zip(contents).map(|(number, content)| slots::seal(number, &content));
        let created = prepare(&self.directory).and_then(|()| {
            SlotFile::create(&self.directory, NAME, &head.encode(), slots, Durable::Yes)
        });
        self.file = created.map_err(|error| self.cannot("write", &error));
    }

    fn head(&self) -> Head {
        let Barrier { forgotten, loss } = self.replay.barrier_state();
        let slots = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        Head { boot: self.boot, is_clean: false, barrier: forgotten, loss, slots }
    }

    fn cannot(&self, verb: &str, error: &io::Error) -> String {
        format!("cannot {verb} {}: {error}", self.directory.join(NAME).display())
    }
}

/// Creates an empty journal in `directory`, unless it has one. Call this only
/// when no token can have been accepted: when the gate key is new.
///
/// # Errors
/// Those of the system.
pub fn create_empty(directory: &Path) -> io::Result<()> {
    prepare(directory)?;
    if directory.join(NAME).try_exists()? {
        return Ok(());
    }
    // A clean journal is trusted in every boot.
    let boot = BootId::default();
    let head = Head { boot, is_clean: true, barrier: Wall::default(), loss: None, slots: 0 };
    let slots = std::iter::empty();
    SlotFile::create(directory, NAME, &head.encode(), slots, Durable::Yes).map(drop)
}

/// Frees the slots of stale tokens. Returns their latest time of issue.
fn forget(lines: &mut [Option<Line>], free: &mut Vec<u32>, now: Wall) -> Wall {
    let mut latest = Wall::default();
    for (number, slot) in (0..).zip(lines) {
        if let Some(Line::Token { token, .. }) = slot
            && token.expires < now
        {
            latest = latest.max(token.issued);
            free.push(number);
            *slot = None;
        }
    }
    latest
}

/// Creates the directory if it is missing, and checks that only we can write
/// to it.
fn prepare(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = directory.metadata()?;
    if is_ours(&found) {
        return Ok(());
    }
    let text = "others can write to its directory, run chown 0 and chmod 0700 on that";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}
