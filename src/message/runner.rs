//! Between keeper and runner; the first message is the parent's.

use std::fmt::{self, Display};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::Message;
use super::engine::version;
use super::packet::{Builder, LENGTH, Packet};
use crate::core::command::MAX_WORDS;

/// The longest message, its blob and all.
pub const MAX_MESSAGE: usize = 8192;
/// The longest blob of a message.
pub const MAX_BLOB: usize = MAX_MESSAGE - LENGTH;

/// What becomes of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It opened.
    Open,
    /// It closed.
    Close,
}

impl Occasion {
    /// What `KNOCKD_EVENT` says.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// A command to be run, whole: nothing is left to fill in or to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the keeper calls it; any number that no other has meanwhile.
    pub id: u32,
    /// Why.
    pub occasion: Occasion,
    /// How long it may take.
    pub limit: Duration,
    /// The door's name.
    pub door: String,
    /// For whom it opened or closed.
    pub address: IpAddr,
    /// Who opened it, or `-`.
    pub user: String,
    /// For how long it opened, or how long it was open.
    pub seconds: u64,
    /// The program, by an absolute path, and its arguments; 1 to
    /// [`MAX_WORDS`], none with a NUL.
    pub words: Vec<String>,
}

/// What the runner is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToRunner {
    /// The first message.
    Start {
        /// Whether to complain to standard error.
        foreground: bool,
        /// The account to become, user and group; none where nothing is at
        /// stake.
        account: Option<(u32, u32)>,
    },
    /// Run a command.
    Run(Run),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this code; 0 is well.
    Exited(u8),
    /// By this signal, which was not the runner's.
    Signalled(u8),
    /// Its time was over.
    Killed,
    /// The system did not start it, by this error number.
    NotStarted(u32),
    /// Too many were waiting.
    Dropped,
}

/// What the runner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromRunner {
    /// A command is over.
    Ended {
        /// Which.
        id: u32,
        /// How.
        outcome: Outcome,
    },
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(number) => write!(f, "signal {number}"),
            Self::Killed => f.write_str("killed, its time was over"),
            Self::NotStarted(number) => {
                let number = i32::try_from(*number).unwrap_or_default();
                write!(f, "{}", io::Error::from_raw_os_error(number))
            }
            Self::Dropped => f.write_str("left out, too many wait"),
        }
    }
}

impl Message for ToRunner {
    fn encode(&self) -> Packet {
        let begin = Builder::default();
        match self {
            Self::Start { foreground, account } => begin
                .bytes(&version())
                .bytes(&[u8::from(*foreground)])
                .option(account.map(|(uid, _)| uid))
                .option(account.map(|(_, gid)| gid))
                .packet(1),
            Self::Run(run) => {
                let begin = begin
                    .number(run.id)
                    .bytes(&[u8::from(run.occasion == Occasion::Close)])
                    .number(u64::try_from(run.limit.as_millis()).unwrap_or(u64::MAX))
                    .address(run.address)
                    .number(run.seconds);
                let texts = [&run.door, &run.user].into_iter().chain(&run.words);
                texts.fold(begin, |begin, one| text(begin, one)).packet(2)
            }
        }
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        Some(match packet.tag {
            1 if fields.bytes()? == version() => {
                let foreground = fields.flag()?;
                let uid: Option<u32> = fields.option()?;
                Self::Start { foreground, account: uid.zip(fields.option()?) }
            }
            2 => {
                let id = fields.number()?;
                let occasion = if fields.flag()? { Occasion::Close } else { Occasion::Open };
                let limit = Duration::from_millis(fields.number()?);
                let address = fields.address()?;
                let seconds = fields.number()?;
                let mut texts = to_texts(&packet.blob)?.into_iter();
                let (door, user) = (texts.next()?, texts.next()?);
                let words: Vec<_> = texts.collect();
                let is_absolute = words.first()?.starts_with('/');
                if !is_absolute || words.len() > MAX_WORDS {
                    return None;
                }
                Self::Run(Run { id, occasion, limit, door, address, user, seconds, words })
            }
            _ => return None,
        })
    }
}

impl Message for FromRunner {
    fn encode(&self) -> Packet {
        let Self::Ended { id, outcome } = *self;
        let (kind, number): (u8, u32) = match outcome {
            Outcome::Exited(code) => (0, code.into()),
            Outcome::Signalled(number) => (1, number.into()),
            Outcome::Killed => (2, 0),
            Outcome::NotStarted(number) => (3, number),
            Outcome::Dropped => (4, 0),
        };
        Builder::default().number(id).bytes(&[kind]).number(number).packet(1)
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        if packet.tag != 1 {
            return None;
        }
        let id = fields.number()?;
        let [kind] = fields.bytes()?;
        let outcome = match kind {
            0 => Outcome::Exited(fields.number()?),
            1 => Outcome::Signalled(fields.number()?),
            2 => Outcome::Killed,
            3 => Outcome::NotStarted(fields.number()?),
            4 => Outcome::Dropped,
            _ => return None,
        };
        Some(Self::Ended { id, outcome })
    }
}

/// Adds a text behind its length. None is longer than a blob may be.
fn text(begin: Builder, text: &str) -> Builder {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    begin.blob(&length.to_be_bytes()).blob(text.as_bytes())
}

/// All texts; none if a length is wrong, or if one is no text that a program
/// could be given.
fn to_texts(mut blob: &[u8]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = blob.split_first_chunk() {
        let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        if text.contains(&0) {
            return None;
        }
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        blob = rest;
    }
    blob.is_empty().then_some(texts)
}
