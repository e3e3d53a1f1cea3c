//! Messages between keeper and runner. The parent sends the first one.

use std::fmt::{self, Display};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::Message;
use super::engine::version;
use super::packet::{Builder, LENGTH, Packet};
use crate::core::command::MAX_WORDS;

/// The longest message, blob included.
pub const MAX_MESSAGE: usize = 8192;
/// The longest blob of a message.
pub const MAX_BLOB: usize = MAX_MESSAGE - LENGTH;

/// Whether a command runs for a door that opened or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It opened.
    Open,
    /// It closed.
    Close,
}

impl Occasion {
    /// The value of `KNOCKD_EVENT`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// A command to run, with all places filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The keeper's number for it, unique among commands that have not ended.
    pub id: u32,
    /// Whether the door opened or closed.
    pub occasion: Occasion,
    /// How long it may run.
    pub limit: Duration,
    /// The door's name.
    pub door: String,
    /// The address that the door opened or closed for.
    pub address: IpAddr,
    /// The user that opened the door, or `-`.
    pub user: String,
    /// The lifetime of the lease, or how long the door was open.
    pub seconds: u64,
    /// The program, by an absolute path, and its arguments; 1 to
    /// [`MAX_WORDS`], none with a NUL.
    pub words: Vec<String>,
}

/// What the runner receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToRunner {
    /// The first message.
    Start {
        /// Whether to log errors to standard error.
        foreground: bool,
        /// The user and group id to become; `None` with `firewall: Memory`.
        account: Option<(u32, u32)>,
    },
    /// Run a command.
    Run(Run),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this exit code.
    Exited(u8),
    /// By this signal, which the runner did not send.
    Signalled(u8),
    /// The runner killed it at its time limit.
    Killed,
    /// It could not be started; the error number.
    NotStarted(u32),
    /// The runner's queue was full.
    Dropped,
}

/// What the runner sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromRunner {
    /// A command ended.
    Ended {
        /// The id in [`Run`].
        id: u32,
        /// How it ended.
        outcome: Outcome,
    },
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Signalled(number) => write!(f, "signal {number}"),
            Self::Killed => f.write_str("killed after its time limit"),
            Self::NotStarted(number) => {
                let number = i32::try_from(*number).unwrap_or_default();
                write!(f, "{}", io::Error::from_raw_os_error(number))
            }
            Self::Dropped => f.write_str("dropped, too many are queued"),
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

/// Adds a text after its length. [`MAX_BLOB`] bounds both.
fn text(begin: Builder, text: &str) -> Builder {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    begin.blob(&length.to_be_bytes()).blob(text.as_bytes())
}

/// All texts; `None` when a length is wrong, or a text is not UTF-8 or has a
/// NUL.
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
