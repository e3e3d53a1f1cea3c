//! The lease file: which doors are open to whom, for the next run.
//!
//! In the run directory, one file: a head, the doors that slots speak of, then
//! a slot for each lease. A lease is in it before its entry is in the kernel,
//! and out of it after.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use super::slots::{self, Content, Durable, SLOT, SlotFile, UNUSED};
use crate::core::address::{self, Entry};
use crate::core::door::{Door, Table};
use crate::core::hash;
use crate::core::lease::LeaseKey;
use crate::core::time::{BootId, Monotonic};
use crate::core::token::UserId;

/// The file's name.
pub const NAME: &str = "leases";

const MAGIC: &[u8; 8] = b"knockdL2";
/// Length of the head before the doors.
const HEAD: usize = SLOT;
/// Slots beyond those of leases, for what is on its way out.
const SLACK: u32 = 1024;
/// More doors than any configuration has.
const MAX_DOORS: usize = 1 << 16;

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its entry is about to be added.
    Intended,
    /// Its entry stands.
    Live,
    /// It ended; its entry is about to be deleted.
    Closing,
    /// The daemon stopped: its entry was deleted, its time goes on.
    Resting,
}

/// Who has a door open, by names that outlive a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// Whoever knew a sequence.
    Sequence,
    /// Whoever ordered it on the machine.
    Administrator,
    /// A user who is not configured any more.
    Former,
}

/// A lease as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// How far it is.
    pub state: State,
    /// The door, by its place among the file's doors, and the address.
    pub key: LeaseKey,
    /// Who opened it.
    pub holder: Holder,
    /// Since when it is open.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
    /// Whether its entry was there before us.
    pub foreign: bool,
}

/// A door as it is kept: where its entries stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The door's name.
    pub name: String,
    /// Its table.
    pub table: Table,
    /// See [`Door::v4_prefix`].
    pub v4_prefix: u8,
    /// See [`Door::v6_prefix`].
    pub v6_prefix: u8,
}

impl Site {
    /// What stood in the table for `address`.
    #[must_use]
    pub fn entry(&self, address: IpAddr) -> Entry {
        Entry::around(address, self.v4_prefix, self.v6_prefix)
    }
}

/// What a run left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The doors, by index.
    pub doors: Vec<Site>,
    /// All leases, in no order.
    pub records: Vec<Record>,
}

/// Why nothing of an earlier run is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Nothing {
    /// There was none, or its file was removed.
    Missing,
    /// It was of another boot: the kernel's tables are new.
    OtherBoot,
    /// Its file is damaged or cannot be read.
    Broken(String),
}

/// Reads what an earlier run of this boot left in the directory `run`.
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
    understand(&bytes, boot)?
        .ok_or_else(|| Nothing::Broken(format!("{} is damaged", path.display())))
}

/// What `bytes` say; `None` when they are damaged.
fn understand(bytes: &[u8], boot: BootId) -> Result<Option<Recovered>, Nothing> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let Some(content) = slots::unseal(u32::MAX, head) else { return Ok(None) };
    let Some((magic, content)) = content.split_first_chunk::<8>() else { return Ok(None) };
    let Some((found, content)) = content.split_first_chunk::<16>() else { return Ok(None) };
    if magic != MAGIC {
        return Ok(None);
    }
    if *found != boot {
        return Err(Nothing::OtherBoot);
    }
    Ok(read_body(content, rest))
}

fn read_body(head: &[u8], rest: &[u8]) -> Option<Recovered> {
    let (length, head) = head.split_first_chunk()?;
    let (checksum, _) = head.split_first_chunk::<8>()?;
    let (doors, rest) =
        rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    if hash::id("doors", &[doors]) != *checksum {
        return None;
    }
    let doors = read_doors(doors)?;
    // A damaged slot is one lease's loss, not all others'.
    let records = slots::all(rest).flatten().filter_map(|content| Record::decode(&content));
    let records =
        records.filter(|record| usize::from(record.key.door.0) < doors.len()).collect();
    Some(Recovered { doors, records })
}

/// Doors as bytes: name, table and anchor, each behind its length in two.
fn write_doors(doors: &[Door]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Door { name, table, v4_prefix, v6_prefix, .. } in doors {
        // No door has an empty anchor.
        for part in
            [name, &table.name, table.anchor.as_deref().unwrap_or_default()] as [&str; 3]
        {
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&[*v4_prefix, *v6_prefix]);
    }
    bytes.resize(bytes.len().next_multiple_of(SLOT), 0);
    bytes
}

fn read_doors(mut bytes: &[u8]) -> Option<Vec<Site>> {
    let mut doors = Vec::new();
    // Behind the last door there is nothing but zeros.
    while bytes.iter().any(|byte| *byte != 0) {
        doors.push(read_door(&mut bytes)?);
        if doors.len() > MAX_DOORS {
            return None;
        }
    }
    Some(doors)
}

fn read_door(bytes: &mut &[u8]) -> Option<Site> {
    let mut part = || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        *bytes = rest;
        Some(std::str::from_utf8(part).ok()?.to_owned())
    };
    let (name, table, anchor) = (part()?, part()?, part()?);
    let anchor = (!anchor.is_empty()).then_some(anchor);
    let (&[v4_prefix, v6_prefix], rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(Site { name, table: Table { anchor, name: table }, v4_prefix, v6_prefix })
}

/// The file of a run.
#[derive(Debug)]
pub struct LeaseFile {
    file: SlotFile,
    records: BTreeMap<LeaseKey, (u32, Record)>,
    free: Vec<u32>,
}

impl LeaseFile {
    /// Puts a new file in the place of the old one, whole or not at all, with
    /// room for `capacity` leases through `doors`, and with those that live
    /// already.
    ///
    /// # Errors
    /// The system's.
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

    /// The entry of `key` is about to be added.
    ///
    /// # Errors
    /// The system's, or that there is no slot left.
    pub fn intend(&mut self, record: Record) -> io::Result<()> {
        self.put(Record { state: State::Intended, ..record })
    }

    /// The lease lives, or lives longer.
    ///
    /// # Errors
    /// As [`intend`](Self::intend).
    pub fn commit(&mut self, record: Record) -> io::Result<()> {
        self.put(Record { state: State::Live, ..record })
    }

    /// The entry of `key` is about to be deleted.
    ///
    /// # Errors
    /// The system's.
    pub fn closing(&mut self, key: LeaseKey) -> io::Result<()> {
        let Some((_, record)) = self.records.get(&key) else { return Ok(()) };
        self.put(Record { state: State::Closing, ..*record })
    }

    /// Nothing is left of the lease of `key`.
    ///
    /// # Errors
    /// The system's.
    pub fn free(&mut self, key: LeaseKey) -> io::Result<()> {
        let Some((number, _)) = self.records.remove(&key) else { return Ok(()) };
        self.free.push(number);
        self.file.clear(number)
    }

    /// The entry of `key` was deleted, and its lease is to stay.
    ///
    /// # Errors
    /// The system's.
    pub fn rest(&mut self, key: LeaseKey) -> io::Result<()> {
        let Some((_, record)) = self.records.get(&key) else { return Ok(()) };
        self.put(Record { state: State::Resting, ..*record })
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
    let mut content = EMPTY;
    content[..8].copy_from_slice(MAGIC);
    content[8..24].copy_from_slice(&boot);
    let length = u32::try_from(doors.len()).unwrap_or(u32::MAX);
    content[24..28].copy_from_slice(&length.to_be_bytes());
    content[28..36].copy_from_slice(&hash::id("doors", &[&doors]));
    let mut head = slots::seal(u32::MAX, &content).to_vec();
    head.extend_from_slice(&doors);
    head
}

/// A slot without a lease.
const EMPTY: Content = [0; slots::CONTENT];

impl Record {
    fn encode(&self) -> Content {
        let mut content = EMPTY;
        content[0] = match self.state {
            State::Intended => 1,
            State::Live => 2,
            State::Closing => 3,
            State::Resting => 4,
        };
        content[1] = u8::from(self.foreign);
        content[2..4].copy_from_slice(&self.key.door.0.to_be_bytes());
        let user = match self.holder {
            Holder::User(id) => id,
            _ => [0; 8],
        };
        content[4] = match self.holder {
            Holder::User(_) => 1,
            Holder::Sequence => 2,
            Holder::Administrator => 3,
            Holder::Former => 4,
        };
        content[8..16].copy_from_slice(&user);
        content[16..32].copy_from_slice(&address::to_bytes(self.key.address));
        content[32..40].copy_from_slice(&self.opened.as_nanos().to_be_bytes());
        content[40..48].copy_from_slice(&self.deadline.as_nanos().to_be_bytes());
        content
    }

    /// `None` for an empty slot, or for what no slot of ours holds.
    fn decode(content: &Content) -> Option<Self> {
        let ([state, foreign, a, b, holder, ..], rest) = content.split_first_chunk::<8>()?;
        let (user, rest) = rest.split_first_chunk()?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (opened, rest) = rest.split_first_chunk()?;
        let (deadline, _) = rest.split_first_chunk()?;
        let address: IpAddr = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
        let moment = |bytes: &[u8; 8]| Monotonic::from_nanos(u64::from_be_bytes(*bytes));
        Some(Self {
            state: match state {
                1 => State::Intended,
                2 => State::Live,
                3 => State::Closing,
                4 => State::Resting,
                _ => return None,
            },
            key: LeaseKey {
                door: crate::core::door::DoorIndex(u16::from_be_bytes([*a, *b])),
                address,
            },
            holder: match holder {
                1 => Holder::User(*user),
                2 => Holder::Sequence,
                3 => Holder::Administrator,
                4 => Holder::Former,
                _ => return None,
            },
            opened: moment(opened),
            deadline: moment(deadline),
            foreign: *foreign == 1,
        })
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no lease file"),
            Self::OtherBoot => f.write_str("the lease file is of another boot"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}
