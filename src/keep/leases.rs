//! The lease file: the open leases, for the next run.
//!
//! It is one file in the run directory: a head, the doors, then a slot for each
//! lease. A lease is written before its entry is added to the kernel's table,
//! and cleared after the entry is deleted.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use super::slots::{self, Content, Durable, SLOT, SlotFile, UNUSED};
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::command::Commands;
use crate::core::door::{Door, DoorIndex, OnClose, Table};
use crate::core::hash;
use crate::core::lease::LeaseKey;
use crate::core::sighting::{Port, Protocol};
use crate::core::time::{BootId, Monotonic};
use crate::core::token::UserId;

/// The file's name.
pub const NAME: &str = "leases";

const MAGIC: &[u8; 8] = b"knockdL3";
/// Slots beyond the limit of leases, for leases that are closing.
const SLACK: u32 = 1024;
/// More doors than any configuration has.
const MAX_DOORS: usize = 1 << 16;

/// How far a lease has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its entry is about to be added.
    Intended = 1,
    /// Its entry is in the table.
    Live,
    /// It ended; its entry is about to be deleted.
    Closing,
    /// The daemon stopped and deleted its entry. The next run restores it.
    Suspended,
}

/// What opened a door, by an id that outlives a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A user, by its first credential.
    User(UserId),
    /// A knock sequence.
    Sequence,
    /// `knockctl open`.
    Administrator,
    /// A user that is no longer configured.
    Former,
}

/// A lease in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// How far it has got.
    pub state: State,
    /// The door, by its place among the file's doors, and the address.
    pub key: LeaseKey,
    /// What opened it.
    pub holder: Holder,
    /// When it was opened.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
    /// Whether its entry was in the table before us.
    pub foreign: bool,
}

/// What an earlier run left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the run was of this boot. Else its leases are over.
    pub is_this_boot: bool,
    /// The doors, by index, as far as leases that go on need them: nobody can open
    /// them, and they have no commands.
    pub doors: Vec<Door>,
    /// All leases, in no order.
    pub records: Vec<Record>,
}

impl Recovered {
    /// The door of a lease.
    #[must_use]
    pub fn door(&self, record: &Record) -> Option<&Door> {
        self.doors.get(usize::from(record.key.door.0))
    }
}

/// Why no leases of an earlier run are known.
#[derive(Debug, PartialEq, Eq)]
pub enum Nothing {
    /// There is no lease file.
    Missing,
    /// The file is damaged or cannot be read.
    Broken(String),
}

/// Reads what an earlier run left in the directory `run`. `boot` is this boot.
///
/// # Errors
/// [`Nothing`].
pub fn recover(run: &Path, boot: BootId) -> Result<Recovered, Nothing> {
    let path = run.join(NAME);
    let bytes = match slots::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Nothing::Missing),
        Err(error) => {
            return Err(Nothing::Broken(format!("cannot read {}: {error}", path.display())));
        }
    };
    understand(&bytes, boot)
        .map_err(|Malformed| Nothing::Broken(format!("{} is damaged", path.display())))
}

fn understand(bytes: &[u8], boot: BootId) -> Result<Recovered, Malformed> {
    let mut file = Reader::new(bytes);
    let content = slots::unseal(u32::MAX, &file.array()?)?;
    let mut head = Reader::new(&content);
    if head.array()? != *MAGIC {
        return Err(Malformed);
    }
    let is_this_boot = head.array()? == boot;
    let (length, checksum) = (head.u32()?, head.array()?);
    let doors = file.bytes(usize::try_from(length).map_err(|_| Malformed)?)?;
    if hash::id("doors", &[doors]) != checksum {
        return Err(Malformed);
    }
    let doors = read_doors(doors)?;
    // A damaged slot loses one lease only.
    let records = slots::all(file.rest()).flatten();
    let records = records.filter_map(|content| Record::decode(&content).ok());
    let records =
        records.filter(|record| usize::from(record.key.door.0) < doors.len()).collect();
    Ok(Recovered { is_this_boot, doors, records })
}

/// Doors as bytes: name, table and anchor, each after its length, the two
/// prefixes, the longest lifetime, and what is needed to kill states.
fn write_doors(doors: &[Door]) -> Vec<u8> {
    let write = |writer: Writer, door: &Door| {
        // No door has an empty anchor.
        let anchor = door.table.anchor.as_deref().unwrap_or_default();
        let writer = writer.text(&door.name).text(&door.table.name).text(anchor);
        let writer = writer.u8(door.v4_prefix).u8(door.v6_prefix).span(door.max_open_for);
        let writer = writer.flag(door.on_close == OnClose::KillStates).u16(door.rdomain);
        let count = u32::try_from(door.ports.len()).unwrap_or(u32::MAX);
        let write = |writer: Writer, port: &Port| writer.flag(port.is_tcp()).u16(port.number);
        door.ports.iter().fold(writer.u32(count), write)
    };
    let mut bytes = doors.iter().fold(Writer::new(), write).end().to_vec();
    bytes.resize(bytes.len().next_multiple_of(SLOT), 0);
    bytes
}

fn read_doors(bytes: &[u8]) -> Result<Vec<Door>, Malformed> {
    let mut bytes = Reader::new(bytes);
    let mut doors = Vec::new();
    // After the last door there is nothing but zeros.
    while bytes.clone().rest().iter().any(|byte| *byte != 0) {
        if doors.len() == MAX_DOORS {
            return Err(Malformed);
        }
        doors.push(read_door(&mut bytes)?);
    }
    Ok(doors)
}

fn read_door(bytes: &mut Reader<'_>) -> Result<Door, Malformed> {
    let mut text = || bytes.text().map(str::to_owned);
    let (name, table, anchor) = (text()?, text()?, text()?);
    let anchor = (!anchor.is_empty()).then_some(anchor);
    let (v4_prefix, v6_prefix, max_open_for) = (bytes.u8()?, bytes.u8()?, bytes.span()?);
    let on_close = if bytes.flag()? { OnClose::KillStates } else { OnClose::KeepStates };
    let (rdomain, count) = (bytes.u16()?, bytes.u32()?);
    let mut port = || {
        let protocol = if bytes.flag()? { Protocol::Tcp } else { Protocol::Udp };
        Ok(Port { protocol, number: bytes.u16()? })
    };
    Ok(Door {
        name,
        table: Table { anchor, name: table },
        ports: (0..count).map(|_| port()).collect::<Result<_, _>>()?,
        open_for: max_open_for,
        max_open_for,
        max_leases: 0,
        on_close,
        v4_prefix,
        v6_prefix,
        rdomain,
        targets: Vec::new(),
        commands: Commands::default(),
    })
}

/// The lease file of this run.
#[derive(Debug)]
pub struct LeaseFile {
    file: SlotFile,
    records: BTreeMap<LeaseKey, (u32, Record)>,
    free: Vec<u32>,
}

impl LeaseFile {
    /// Replaces the file atomically by one with room for `capacity` leases of
    /// `doors`, which holds the `live` leases.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(
        run: &Path,
        boot: BootId,
        doors: &[Door],
        capacity: u32,
        live: impl Iterator<Item = Record>,
    ) -> io::Result<Self> {
        let mut records = BTreeMap::new();
        for (number, record) in (0..).zip(live) {
            records.insert(record.key, (number, record));
        }
        let used = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let total = capacity.max(used).saturating_add(SLACK);
        let mut in_order = vec![UNUSED; records.len()];
        for (number, record) in records.values() {
            if let Some(slot) = usize::try_from(*number).ok().and_then(|n| in_order.get_mut(n))
            {
                *slot = slots::seal(*number, &record.encode());
            }
        }
        let slots = in_order.into_iter().chain((used..total).map(|_| UNUSED));
        let file = SlotFile::create(run, NAME, &head(boot, doors), slots, Durable::No)?;
        // The lowest is taken first.
        let free = (used..total).rev().collect();
        Ok(Self { file, records, free })
    }

    /// Records that the entry of a lease is about to be added.
    ///
    /// # Errors
    /// Those of the system, or that no slot is left.
    pub fn intend(&mut self, record: Record) -> io::Result<()> {
        self.put(Record { state: State::Intended, ..record })
    }

    /// Records that a lease is open or was extended.
    ///
    /// # Errors
    /// As [`intend`](Self::intend).
    pub fn commit(&mut self, record: Record) -> io::Result<()> {
        self.put(Record { state: State::Live, ..record })
    }

    /// Records that the entries of `keys` are about to be deleted.
    ///
    /// # Errors
    /// Those of the system.
    pub fn closing(&mut self, keys: &[LeaseKey]) -> io::Result<()> {
        self.turn(keys, State::Closing)
    }

    /// Clears the slots of `keys`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn free(&mut self, keys: &[LeaseKey]) -> io::Result<()> {
        let freed = keys.iter().filter_map(|key| self.records.remove(key));
        let numbers: Vec<_> = freed.map(|(number, _)| number).collect();
        self.free.extend(&numbers);
        self.file.write_all(numbers.into_iter().map(|number| (number, UNUSED)).collect())
    }

    /// Records that the entries of `keys` were deleted, but their leases have not
    /// ended.
    ///
    /// # Errors
    /// Those of the system.
    pub fn suspend(&mut self, keys: &[LeaseKey]) -> io::Result<()> {
        self.turn(keys, State::Suspended)
    }

    fn turn(&mut self, keys: &[LeaseKey], state: State) -> io::Result<()> {
        let mut slots = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some((number, record)) = self.records.get_mut(key) {
                record.state = state;
                slots.push((*number, slots::seal(*number, &record.encode())));
            }
        }
        self.file.write_all(slots)
    }

    fn put(&mut self, record: Record) -> io::Result<()> {
        let number = match self.records.get(&record.key) {
            Some((number, _)) => *number,
            None => self.free.pop().ok_or_else(|| io::Error::other("no slot is left"))?,
        };
        self.records.insert(record.key, (number, record));
        self.file.write(number, &record.encode())
    }
}

fn head(boot: BootId, doors: &[Door]) -> Vec<u8> {
    let doors = write_doors(doors);
    let length = u32::try_from(doors.len()).unwrap_or(u32::MAX);
    let begin = Writer::new().bytes(MAGIC).bytes(&boot).u32(length);
    let head = begin.bytes(&hash::id("doors", &[&doors])).padded();
    [&slots::seal(u32::MAX, &head)[..], &doors].concat()
}

impl Record {
    fn encode(&self) -> Content {
        let (holder, user) = match self.holder {
            Holder::User(id) => (1, id),
            Holder::Sequence => (2, [0; 8]),
            Holder::Administrator => (3, [0; 8]),
            Holder::Former => (4, [0; 8]),
        };
        let begin = Writer::new().u8(self.state as u8).flag(self.foreign);
        let begin = begin.u16(self.key.door.0).u8(holder).bytes(&[0; 3]).bytes(&user);
        begin.address(self.key.address).moment(self.opened).moment(self.deadline).padded()
    }

    fn decode(content: &Content) -> Result<Self, Malformed> {
        let mut fields = Reader::new(content);
        let state = match fields.u8()? {
            1 => State::Intended,
            2 => State::Live,
            3 => State::Closing,
            4 => State::Suspended,
            _ => return Err(Malformed),
        };
        let (foreign, door, holder) = (fields.flag()?, DoorIndex(fields.u16()?), fields.u8()?);
        fields.bytes(3)?;
        let user = fields.array()?;
        let holder = match holder {
            1 => Holder::User(user),
            2 => Holder::Sequence,
            3 => Holder::Administrator,
            4 => Holder::Former,
            _ => return Err(Malformed),
        };
        let key = LeaseKey { door, address: fields.address()? };
        let (opened, deadline) = (fields.moment()?, fields.moment()?);
        Ok(Self { state, key, holder, opened, deadline, foreign })
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no lease file"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}
