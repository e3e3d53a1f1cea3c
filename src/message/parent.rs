//! Messages between parent and keeper.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::Message;
use super::engine::version;
use super::packet::{Builder, Fields, Packet};
use crate::core::address::Entry;
use crate::core::door::Table;

/// What the parent sends the keeper.
#[derive(Clone, PartialEq, Eq)]
pub enum ToKeeper {
    /// The first message; the lock on the run directory comes with it. Its
    /// blob is the configuration, as files.
    Start {
        /// Whether to log to standard error.
        foreground: bool,
        /// Whether to log packets of strangers.
        verbose: bool,
        /// How many keepers died before this one.
        deaths: u32,
        /// [`crate::config::Files`], encoded.
        files: Zeroizing<Vec<u8>>,
    },
    /// Read the configuration again.
    Reload,
    /// Close all doors and end.
    Stop,
    /// Send commands to this runner from now on; its channel comes with this.
    Runner {
        /// The parent's number for it.
        id: u32,
    },
}

/// What the keeper sends the parent.
#[derive(Clone, PartialEq, Eq)]
pub enum FromKeeper {
    /// The doors can open.
    Ready,
    /// Gives a table the number that later messages name it by.
    Table {
        /// The number.
        number: u16,
        /// The table.
        table: Table,
    },
    /// The keeper is about to add an entry to a table, or found it there.
    Intend {
        /// The table's number.
        table: u16,
        /// The entry.
        entry: Entry,
        /// Whether it was there before us and has to stay.
        foreign: bool,
    },
    /// An entry was removed, or is not ours.
    Gone {
        /// The table's number.
        table: u16,
        /// The entry.
        entry: Entry,
    },
    /// Start an engine; its channel comes with this.
    Engine {
        /// The keeper's number for it.
        id: u32,
    },
    /// Kill an engine.
    End {
        /// The id that [`Self::Engine`] gave it.
        id: u32,
    },
    /// The configuration for the next keeper, if this one dies.
    Keep {
        /// [`crate::config::Files`], encoded.
        files: Zeroizing<Vec<u8>>,
    },
    /// Kill a runner.
    EndRunner {
        /// The id that [`ToKeeper::Runner`] gave it.
        id: u32,
    },
}

impl Message for ToKeeper {
    fn encode(&self) -> Packet {
        let begin = Builder::default();
        match self {
            Self::Start { foreground, verbose, deaths, files } => begin
                .bytes(&version())
                .bytes(&[u8::from(*foreground), u8::from(*verbose)])
                .number(*deaths)
                .blob(files)
                .packet(1),
            Self::Reload => begin.packet(2),
            Self::Stop => begin.packet(3),
            Self::Runner { id } => begin.number(*id).packet(4),
        }
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        Some(match packet.tag {
            1 if fields.bytes()? == version() => Self::Start {
                foreground: fields.flag()?,
                verbose: fields.flag()?,
                deaths: fields.number()?,
                files: packet.blob.clone(),
            },
            2 => Self::Reload,
            3 => Self::Stop,
            4 => Self::Runner { id: fields.number()? },
            _ => return None,
        })
    }
}

impl Message for FromKeeper {
    fn encode(&self) -> Packet {
        let begin = Builder::default();
        match self {
            Self::Ready => begin.packet(1),
            Self::Table { number, table } => begin
                .bytes(&number.to_be_bytes())
                .bytes(&[u8::from(table.anchor.is_some())])
                .number(u32::try_from(table.name.len()).unwrap_or(u32::MAX))
                .blob(table.name.as_bytes())
                .blob(table.anchor.as_deref().unwrap_or_default().as_bytes())
                .packet(2),
            Self::Intend { table, entry, foreign } => {
                slot(begin, *table, entry).bytes(&[u8::from(*foreign)]).packet(3)
            }
            Self::Gone { table, entry } => slot(begin, *table, entry).packet(4),
            Self::Engine { id } => begin.number(*id).packet(5),
            Self::End { id } => begin.number(*id).packet(6),
            Self::Keep { files } => begin.blob(files).packet(7),
            Self::EndRunner { id } => begin.number(*id).packet(8),
        }
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        Some(match packet.tag {
            1 => Self::Ready,
            2 => {
                let number = u16::from_be_bytes(fields.bytes()?);
                let has_anchor = fields.flag()?;
                let (name, anchor) = packet.blob.split_at_checked(fields.number()?)?;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
                let anchor = if has_anchor { Some(text(anchor)?) } else { None };
                Self::Table { number, table: Table { anchor, name: text(name)? } }
            }
            3 => {
                let (table, entry) = to_slot(&mut fields)?;
                Self::Intend { table, entry, foreign: fields.flag()? }
            }
            4 => {
                let (table, entry) = to_slot(&mut fields)?;
                Self::Gone { table, entry }
            }
            5 => Self::Engine { id: fields.number()? },
            6 => Self::End { id: fields.number()? },
            7 => Self::Keep { files: packet.blob.clone() },
            8 => Self::EndRunner { id: fields.number()? },
            _ => return None,
        })
    }
}

fn slot(begin: Builder, table: u16, entry: &Entry) -> Builder {
    begin.bytes(&table.to_be_bytes()).address(entry.address()).bytes(&[entry.prefix()])
}

fn to_slot(fields: &mut Fields<'_>) -> Option<(u16, Entry)> {
    let table = u16::from_be_bytes(fields.bytes()?);
    let address: IpAddr = fields.address()?;
    let [prefix] = fields.bytes()?;
    Some((table, Entry::new(address, prefix)?))
}
