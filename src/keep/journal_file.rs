//! The bytes of a journal, and what they prove.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::slots::{self, Content, SLOT};
use crate::core::replay::ReplayId;
use crate::core::time::{BootId, Monotonic, Wall};
use crate::core::token::UserId;

/// The file's name.
pub const NAME: &str = "journal";
/// The most tokens that are remembered at once.
pub const MAX_CAPACITY: usize = 65_536;

const MAGIC: &[u8; 8] = b"knockdJ1";

/// Why what was honoured before is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// There is no journal.
    Missing,
    /// The machine went down without the daemon being stopped.
    PowerLost,
    /// The journal is damaged.
    Damaged,
    /// The journal cannot be read.
    Unreadable(String),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no journal of earlier runs"),
            Self::PowerLost => f.write_str("the machine went down while the daemon ran"),
            Self::Damaged => f.write_str("the journal of earlier runs is damaged"),
            Self::Unreadable(error) => {
                write!(f, "the journal of earlier runs cannot be read: {error}")
            }
        }
    }
}

/// What one slot tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A token was honoured.
    Token { user: UserId, token: ReplayId },
    /// How far a security key has counted.
    Counter { user: UserId, counter: u32 },
}

/// The head of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub boot: BootId,
    /// Stopped in order, and all on disk.
    pub is_clean: bool,
    pub barrier: Wall,
    /// What the start of this boot did not know, if so.
    pub loss: Option<(Monotonic, Duration)>,
    /// How many slots follow.
    pub slots: u32,
}

/// What lies in a journal.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub head: Option<Head>,
    pub lines: Vec<Line>,
    pub barrier: Wall,
}

impl Found {
    pub fn barrier(&self) -> Wall {
        self.head.map_or(self.barrier, |head| head.barrier.max(self.barrier))
    }
}

/// Reads the journal, and says why it may not tell everything.
pub(super) fn find(directory: &Path, boot: BootId) -> (Found, Option<Loss>) {
    match slots::read(&directory.join(NAME)) {
        Ok(bytes) => understand(&bytes, boot),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Found::default(), Some(Loss::Missing))
        }
        Err(error) => (Found::default(), Some(Loss::Unreadable(error.to_string()))),
    }
}

fn understand(bytes: &[u8], boot: BootId) -> (Found, Option<Loss>) {
    let mut found = Found::default();
    let damaged = Some(Loss::Damaged);
    let Some((head, rest)) = bytes.split_first_chunk() else { return (found, damaged) };
    found.head = Head::decode(head);
    // One that was cut off between two slots has no damaged one.
    let slots = found.head.and_then(|head| usize::try_from(head.slots).ok());
    let mut is_whole = slots.and_then(|slots| slots.checked_mul(SLOT)) == Some(rest.len());
    for slot in slots::all(rest).take(2 * MAX_CAPACITY) {
        match slot.map(|content| Line::decode(&content)) {
            Some(Ok(Some((line, barrier)))) => {
                found.lines.push(line);
                found.barrier = found.barrier.max(barrier);
            }
            Some(Ok(None)) => {}
            Some(Err(())) | None => is_whole = false,
        }
    }
    let loss = match found.head {
        Some(head) if is_whole && (head.is_clean || head.boot == boot) => None,
        Some(_) if is_whole => Some(Loss::PowerLost),
        _ => damaged,
    };
    (found, loss)
}

impl Head {
    pub fn encode(&self) -> [u8; SLOT] {
        let mut content = [0; slots::CONTENT];
        content[..8].copy_from_slice(MAGIC);
        content[8..24].copy_from_slice(&self.boot);
        content[24] = u8::from(self.is_clean);
        content[25] = u8::from(self.loss.is_some());
        content[26..34].copy_from_slice(&self.barrier.as_millis().to_be_bytes());
        let (started, skew) = self.loss.unwrap_or_default();
        content[34..42].copy_from_slice(&started.as_nanos().to_be_bytes());
        let skew = u64::try_from(skew.as_millis()).unwrap_or(u64::MAX);
        content[42..50].copy_from_slice(&skew.to_be_bytes());
        content[50..54].copy_from_slice(&self.slots.to_be_bytes());
        // No slot has this number.
        slots::seal(u32::MAX, &content)
    }

    pub fn decode(slot: &[u8; SLOT]) -> Option<Self> {
        let content = slots::unseal(u32::MAX, slot)?;
        let (magic, rest) = content.split_first_chunk::<8>()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let ([is_clean, has_loss], rest) = rest.split_first_chunk::<2>()?;
        let (barrier, rest) = rest.split_first_chunk()?;
        let (started, rest) = rest.split_first_chunk()?;
        let (skew, rest) = rest.split_first_chunk()?;
        let (slots, _) = rest.split_first_chunk()?;
        let started = Monotonic::from_nanos(u64::from_be_bytes(*started));
        let loss = (started, Duration::from_millis(u64::from_be_bytes(*skew)));
        (magic == MAGIC).then_some(Self {
            boot: *boot,
            is_clean: *is_clean == 1,
            barrier: Wall::from_millis(u64::from_be_bytes(*barrier)),
            loss: (*has_loss == 1).then_some(loss),
            slots: u32::from_be_bytes(*slots),
        })
    }

    /// The loss, by a clock that still goes.
    pub fn loss_in(&self, boot: BootId) -> Option<(Monotonic, Duration)> {
        self.loss.filter(|_| self.boot == boot)
    }
}

/// A slot without a token.
pub(super) const EMPTY: Content = [0; slots::CONTENT];

impl Line {
    pub fn encode(&self, barrier: Wall) -> Content {
        let mut content = EMPTY;
        match self {
            Self::Token { user, token } => {
                content[0] = 1;
                content[8..16].copy_from_slice(user);
                content[16..32].copy_from_slice(&token.id);
                content[32..40].copy_from_slice(&token.issued.as_millis().to_be_bytes());
                content[40..48].copy_from_slice(&token.expires.as_millis().to_be_bytes());
            }
            Self::Counter { user, counter } => {
                content[0] = 2;
                content[8..16].copy_from_slice(user);
                content[16..20].copy_from_slice(&counter.to_be_bytes());
            }
        }
        content[48..56].copy_from_slice(&barrier.as_millis().to_be_bytes());
        content
    }

    /// What a slot tells and the barrier, or that it tells nothing.
    pub fn decode(content: &Content) -> Result<Option<(Self, Wall)>, ()> {
        if *content == EMPTY {
            return Ok(None);
        }
        let fields = || {
            let (kind, rest) = content.split_first_chunk::<8>()?;
            let (user, rest) = rest.split_first_chunk()?;
            let (id, rest) = rest.split_first_chunk::<16>()?;
            let (issued, rest) = rest.split_first_chunk()?;
            let (expires, rest) = rest.split_first_chunk()?;
            let (barrier, _) = rest.split_first_chunk()?;
            let wall = |bytes: &[u8; 8]| Wall::from_millis(u64::from_be_bytes(*bytes));
            let line = match kind {
                [1, 0, 0, 0, 0, 0, 0, 0] => {
                    let (issued, expires) = (wall(issued), wall(expires));
                    let token = ReplayId { id: *id, issued, expires, counter: 0 };
                    Self::Token { user: *user, token }
                }
                [2, 0, 0, 0, 0, 0, 0, 0] => {
                    let counter = u32::from_be_bytes(*id.first_chunk()?);
                    Self::Counter { user: *user, counter }
                }
                _ => return None,
            };
            Some((line, wall(barrier)))
        };
        fields().map(Some).ok_or(())
    }
}
