//! Messages between parent and keeper.

use zeroize::Zeroizing;

use super::packet::Packet;
use super::{Message, version};
use crate::core::address::Entry;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::door::Table;
use crate::core::slot::{Slot, TableIndex};

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
        index: TableIndex,
        /// The table.
        table: Table,
    },
    /// The keeper is about to add an entry to a table, or found it there.
    Intend {
        /// The entry.
        slot: Slot,
        /// Whether it was there before us and has to stay.
        foreign: bool,
    },
    /// An entry was removed, or is not ours.
    Gone {
        /// The entry.
        slot: Slot,
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
        let fields = Writer::new();
        match self {
            Self::Start { foreground, verbose, deaths, files } => {
                let fields = fields.bytes(&version()).flag(*foreground).flag(*verbose);
                Packet::new(1, &fields.u32(*deaths)).with(files)
            }
            Self::Reload => Packet::new(2, &fields),
            Self::Stop => Packet::new(3, &fields),
            Self::Runner { id } => Packet::new(4, &fields.u32(*id)),
        }
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        Ok(match packet.tag {
            1 if fields.array()? == version() => Self::Start {
                foreground: fields.flag()?,
                verbose: fields.flag()?,
                deaths: fields.u32()?,
                files: packet.blob.clone(),
            },
            2 => Self::Reload,
            3 => Self::Stop,
            4 => Self::Runner { id: fields.u32()? },
            _ => return Err(Malformed),
        })
    }
}

impl Message for FromKeeper {
    fn encode(&self) -> Packet {
        let fields = Writer::new();
        match self {
            Self::Ready => Packet::new(1, &fields),
            Self::Table { index, table } => {
                let name = Writer::new().text(&table.name);
                let name = name.option(table.anchor.as_deref(), Writer::text).end();
                Packet::new(2, &fields.u32(index.0)).with(&name)
            }
            Self::Intend { slot, foreign } => Packet::new(3, &write_slot(*slot).flag(*foreign)),
            Self::Gone { slot } => Packet::new(4, &write_slot(*slot)),
            Self::Engine { id } => Packet::new(5, &fields.u32(*id)),
            Self::End { id } => Packet::new(6, &fields.u32(*id)),
            Self::Keep { files } => Packet::new(7, &fields).with(files),
            Self::EndRunner { id } => Packet::new(8, &fields.u32(*id)),
        }
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        Ok(match packet.tag {
            1 => Self::Ready,
            2 => {
                let mut blob = Reader::new(&packet.blob);
                let name = blob.text()?.to_owned();
                let anchor = blob.option(Reader::text)?.map(str::to_owned);
                blob.end()?;
                Self::Table { index: TableIndex(fields.u32()?), table: Table { anchor, name } }
            }
            3 => Self::Intend { slot: read_slot(&mut fields)?, foreign: fields.flag()? },
            4 => Self::Gone { slot: read_slot(&mut fields)? },
            5 => Self::Engine { id: fields.u32()? },
            6 => Self::End { id: fields.u32()? },
            7 => Self::Keep { files: packet.blob.clone() },
            8 => Self::EndRunner { id: fields.u32()? },
            _ => return Err(Malformed),
        })
    }
}

fn write_slot(Slot { table, entry }: Slot) -> Writer {
    Writer::new().u32(table.0).address(entry.address()).u8(entry.prefix())
}

fn read_slot(fields: &mut Reader<'_>) -> Result<Slot, Malformed> {
    let (table, address) = (TableIndex(fields.u32()?), fields.address()?);
    Ok(Slot { table, entry: Entry::new(address, fields.u8()?).ok_or(Malformed)? })
}
