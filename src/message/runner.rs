//! Messages between keeper and runner. The parent sends the first one.

use std::fmt::{self, Display};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::packet::{LENGTH, Packet};
use super::{Message, read_account, version, write_account};
use crate::core::bytes::{Malformed, Reader, Writer};
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
        match self {
            Self::Start { foreground, account } => {
                let fields = Writer::new().bytes(&version()).flag(*foreground);
                Packet::new(1, &fields.option(*account, write_account))
            }
            Self::Run(run) => {
                let fields = Writer::new().u32(run.id).flag(run.occasion == Occasion::Close);
                let fields = fields.span(run.limit).address(run.address).u64(run.seconds);
                let texts = [&run.door, &run.user].into_iter().chain(&run.words);
                let blob = texts.fold(Writer::new(), |blob, text| blob.text(text));
                Packet::new(2, &fields).with(&blob.end())
            }
        }
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        Ok(match packet.tag {
            1 if fields.array()? == version() => Self::Start {
                foreground: fields.flag()?,
                account: fields.option(read_account)?,
            },
            2 => {
                let id = fields.u32()?;
                let occasion = if fields.flag()? { Occasion::Close } else { Occasion::Open };
                let (limit, address, seconds) =
                    (fields.span()?, fields.address()?, fields.u64()?);
                let mut blob = Reader::new(&packet.blob);
                let (door, user) = (text(&mut blob)?, text(&mut blob)?);
                let mut words = Vec::new();
                while blob.end().is_err() {
                    words.push(text(&mut blob)?);
                }
                let is_absolute = words.first().is_some_and(|word| word.starts_with('/'));
                if !is_absolute || words.len() > MAX_WORDS {
                    return Err(Malformed);
                }
                Self::Run(Run { id, occasion, limit, door, address, user, seconds, words })
            }
            _ => return Err(Malformed),
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
        Packet::new(1, &Writer::new().u32(id).u8(kind).u32(number))
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        let (id, kind, number) = (fields.u32()?, fields.u8()?, fields.u32()?);
        let small = || u8::try_from(number).map_err(|_| Malformed);
        let outcome = match (packet.tag, kind) {
            (1, 0) => Outcome::Exited(small()?),
            (1, 1) => Outcome::Signalled(small()?),
            (1, 2) => Outcome::Killed,
            (1, 3) => Outcome::NotStarted(number),
            (1, 4) => Outcome::Dropped,
            _ => return Err(Malformed),
        };
        Ok(Self::Ended { id, outcome })
    }
}

/// A text that a program can be given.
fn text(blob: &mut Reader<'_>) -> Result<String, Malformed> {
    let text = blob.text()?;
    if text.contains('\0') { Err(Malformed) } else { Ok(text.to_owned()) }
}
