//! A file of a head and numbered slots of 64 bytes, each with a checksum.
//!
//! No slot crosses a page or a sector, so a write is atomic. The checksum is for
//! disks that tear writes all the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::hash;
use crate::sys::ours::is_ours;

/// Length of a slot. The head's length is a multiple of it.
pub const SLOT: usize = 64;
/// Length of a slot without its checksum.
pub const CONTENT: usize = SLOT - 8;
/// The longest file that is read, in bytes.
const MAX_LENGTH: u64 = 64 << 20;

/// A slot that was never used. It has no checksum: a damaged slot holds nothing
/// either.
pub const UNUSED: [u8; SLOT] = [0; SLOT];

/// What a slot holds.
pub type Content = [u8; CONTENT];

/// The bytes of slot `number`. The head counts from its own end: it has no
/// number, and a label of its own.
#[must_use]
pub fn seal(number: u32, content: &Content) -> [u8; SLOT] {
    Writer::new().bytes(content).bytes(&sum(number, content)).padded()
}

/// What the bytes of slot `number` hold.
///
/// # Errors
/// When they are damaged.
pub fn unseal(number: u32, slot: &[u8; SLOT]) -> Result<Content, Malformed> {
    let mut slot = Reader::new(slot);
    let (content, checksum) = (slot.array()?, slot.array()?);
    if sum(number, &content) == checksum { Ok(content) } else { Err(Malformed) }
}

/// The checksum. It covers the number, so a slot at the wrong place is damaged.
fn sum(number: u32, content: &Content) -> [u8; 8] {
    hash::id("slot", &[&number.to_be_bytes(), content])
}

/// An open file of slots.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    head: u64,
}

/// Whether the file must survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// It must.
    Yes,
    /// It is worthless after a boot.
    No,
}

impl SlotFile {
    /// Replaces `directory/name` atomically by a file of `head`, whose length is
    /// a multiple of [`SLOT`], and the slots.
    ///
    /// # Errors
    /// Those of the system; then the old file stays.
    pub fn create(
        directory: &Path,
        name: &str,
        head: &[u8],
        slots: impl Iterator<Item = [u8; SLOT]>,
        durable: Durable,
    ) -> io::Result<Self> {
        let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
        // An earlier run may have died while it wrote this file.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(&new)?;
        let mut out = io::BufWriter::with_capacity(1 << 16, &file);
        let written = out.write_all(head).and_then(|()| {
            let mut slots = slots;
            slots.try_for_each(|slot| out.write_all(&slot))
        });
        let done = written.and_then(|()| out.flush()).and_then(|()| match durable {
            Durable::Yes => file.sync_all(),
            Durable::No => Ok(()),
        });
        drop(out);
        if let Err(error) = done.and_then(|()| fs::rename(&new, &path)) {
            drop(fs::remove_file(&new));
            return Err(error);
        }
        if durable == Durable::Yes {
            File::open(directory)?.sync_all()?;
        }
        let head = u64::try_from(head.len()).unwrap_or(u64::MAX);
        Ok(Self { file, head })
    }

    /// Writes one slot. Does not wait for the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, number: u32, content: &Content) -> io::Result<()> {
        let slot = u64::try_from(SLOT).unwrap_or(u64::MAX);
        self.file.write_all_at(&seal(number, content), self.head + u64::from(number) * slot)
    }

    /// Writes slots, neighbours by one call. Does not wait for the disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_all(&self, mut slots: Vec<(u32, [u8; SLOT])>) -> io::Result<()> {
        slots.sort_unstable_by_key(|(number, _)| *number);
        for run in slots.chunk_by(|(one, _), (next, _)| one.checked_add(1) == Some(*next)) {
            let Some((first, _)) = run.first() else { continue };
            let bytes: Vec<_> = run.iter().flat_map(|(_, slot)| *slot).collect();
            self.file.write_all_at(&bytes, self.head + u64::from(*first) * SLOT as u64)?;
        }
        Ok(())
    }

    /// Overwrites the head by one of the same length.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_head(&self, head: &[u8]) -> io::Result<()> {
        self.file.write_all_at(head, 0)
    }

    /// Waits until all writes are on disk.
    ///
    /// # Errors
    /// Those of the system.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// Reads the file at `path`. It must be regular, belong to us, be writable by
/// us alone and have at most 64 MiB.
///
/// # Errors
/// Those of the system; `NotFound` when there is no file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut options = OpenOptions::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = options.read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
    }
    if !is_ours(&found) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write to it"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_LENGTH) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(bytes)
}

/// The slots in `bytes`, which begin with the first of them; `None` for one
/// that is damaged, cut off or unused.
pub fn all(bytes: &[u8]) -> impl Iterator<Item = Option<Content>> + '_ {
    (0..).zip(bytes.chunks(SLOT)).map(|(number, slot)| {
        let slot: &[u8; SLOT] = slot.try_into().ok()?;
        // Most are unused, and a checksum is slow.
        if *slot == UNUSED { None } else { unseal(number, slot).ok() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_with_any_bit_changed_or_in_another_place_is_damaged() {
        let content: Content = std::array::from_fn(|at| at as u8);
        let slot = seal(7, &content);
        assert_eq!(unseal(7, &slot), Ok(content));
        assert_eq!(unseal(8, &slot), Err(Malformed));
        for bit in 0..8 * SLOT {
            let mut changed = slot;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(7, &changed), Err(Malformed), "bit {bit}");
        }
    }
}
