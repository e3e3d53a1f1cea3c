//! The bytes of a journal, and whether they are complete.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::slots::{self, Content, SLOT};
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::replay::{MAX_CAPACITY, ReplayId};
use crate::core::time::{BootId, Monotonic, Wall};
use crate::core::token::UserId;

/// The file's name.
pub const NAME: &str = "journal";

const MAGIC: &[u8; 8] = b"knockdJ1";

/// Why the tokens accepted before are not known.
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

/// What one slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A token that was accepted.
    Token { user: UserId, token: ReplayId },
    /// The last counter of a security key.
    Counter { user: UserId, counter: u32 },
}

/// The head of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub boot: BootId,
    /// Whether the daemon stopped in order, with all slots on disk.
    pub is_clean: bool,
    pub barrier: Wall,
    /// When a run of this boot started without knowing earlier tokens, and how
    /// far the times of tokens may be off.
    pub loss: Option<(Monotonic, Duration)>,
    /// How many slots follow.
    pub slots: u32,
}

/// What a journal holds.
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

/// Reads the journal. Returns a [`Loss`] if it may be incomplete.
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
    found.head = Head::decode(head).ok();
    // A file cut off between two slots has no damaged slot.
    let slots = found.head.and_then(|head| usize::try_from(head.slots).ok());
    let mut is_whole = slots.and_then(|slots| slots.checked_mul(SLOT)) == Some(rest.len());
    for slot in slots::all(rest).take(2 * MAX_CAPACITY) {
        match slot.map(|content| Line::decode(&content)) {
            Some(Ok(Some((line, barrier)))) => {
                found.lines.push(line);
                found.barrier = found.barrier.max(barrier);
            }
            Some(Ok(None)) => {}
            Some(Err(Malformed)) | None => is_whole = false,
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
        let (started, skew) = self.loss.unwrap_or_default();
        let begin = Writer::new().bytes(MAGIC).bytes(&self.boot);
        let begin = begin.flag(self.is_clean).flag(self.loss.is_some()).wall(self.barrier);
        // No slot has this number.
        slots::seal(u32::MAX, &begin.moment(started).span(skew).u32(self.slots).padded())
    }

    pub fn decode(slot: &[u8; SLOT]) -> Result<Self, Malformed> {
        let content = slots::unseal(u32::MAX, slot)?;
        let mut fields = Reader::new(&content);
        if fields.array()? != *MAGIC {
            return Err(Malformed);
        }
        let (boot, is_clean, has_loss) = (fields.array()?, fields.flag()?, fields.flag()?);
        let barrier = fields.wall()?;
        let loss = Some((fields.moment()?, fields.span()?)).filter(|_| has_loss);
        Ok(Self { boot, is_clean, barrier, loss, slots: fields.u32()? })
    }

    /// The loss, if it was in `boot`: the monotonic clock starts over at a boot.
    pub fn loss_in(&self, boot: BootId) -> Option<(Monotonic, Duration)> {
        self.loss.filter(|_| self.boot == boot)
    }
}

/// A slot without a token.
pub(super) const EMPTY: Content = [0; slots::CONTENT];

impl Line {
    pub fn encode(&self, barrier: Wall) -> Content {
        let begin = |kind, user| Writer::new().u8(kind).bytes(&[0; 7]).bytes(user);
        let line = match self {
            Self::Token { user, token } => {
                begin(1, user).bytes(&token.id).wall(token.issued).wall(token.expires)
            }
            Self::Counter { user, counter } => begin(2, user).u32(*counter).bytes(&[0; 28]),
        };
        line.wall(barrier).padded()
    }

    /// Reads a slot and its barrier; `None` for an empty slot.
    pub fn decode(content: &Content) -> Result<Option<(Self, Wall)>, Malformed> {
        if *content == EMPTY {
            return Ok(None);
        }
        let mut fields = Reader::new(content);
        let (kind, user) = (fields.array()?, fields.array()?);
        let line = match kind {
            [1, 0, 0, 0, 0, 0, 0, 0] => {
                let (id, issued, expires) = (fields.array()?, fields.wall()?, fields.wall()?);
                Self::Token { user, token: ReplayId { id, issued, expires, counter: 0 } }
            }
            [2, 0, 0, 0, 0, 0, 0, 0] => {
                let counter = fields.u32()?;
                fields.bytes(28)?;
                Self::Counter { user, counter }
            }
            _ => return Err(Malformed),
        };
        Ok(Some((line, fields.wall()?)))
    }
}
