//! Whether pf is enabled, and whether doors have an effect.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;

use nix::libc;

use super::abi::{self, Abi, Interfaces, Limit};
use super::nvlist;
use super::states::is_unknown;
use super::table;
use crate::ioctl::Device;
use crate::ioctl::layout::Request;

/// Whether pf is enabled.
///
/// # Errors
/// The system's; `InvalidData` for an answer without it.
pub fn is_running(device: &mut impl Device, abi: &Abi) -> io::Result<bool> {
    if let Some(nv) = &abi.nv {
        match running_by_list(device, nv) {
            Err(error) if is_unknown(&error) => {}
            result => return result,
        }
    }
    let layout =
        abi.status.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut argument = vec![0; layout.request.length()];
    device.ioctl(&layout.request, &mut argument, &mut [])?;
    Ok(layout.running.get(&argument) != 0)
}

fn running_by_list(device: &mut impl Device, nv: &abi::Nv) -> io::Result<bool> {
    // The list carries every counter by name, a few thousand bytes. The kernel
    // returns at most 65535 bytes by default.
    for room in [0x2000, 0x8000, 0xffff] {
        let mut packed = vec![0; room];
        let mut argument = vec![0; nv.status.length()];
        nv.room.put(&mut argument, room as u64);
        match device.ioctl(&nv.status, &mut argument, &mut packed) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => continue,
            result => result?,
        }
        let used = usize::try_from(nv.used.get(&argument)).unwrap_or(usize::MAX);
        return nvlist::bool(packed.get(..used).unwrap_or_default(), "running")
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no running in it"));
    }
    Err(io::Error::from_raw_os_error(libc::ENOSPC))
}

/// The most bytes that are read at once: a million entries.
const MAX_BYTES: usize = 64 << 20;

/// Lists elements of `size` bytes, with a larger buffer until they fit.
/// `ask(count, buffer)` makes the request and returns the count of the kernel,
/// which returns a larger count and no elements if they do not fit.
///
/// # Errors
/// Those of `ask`; `OutOfMemory` beyond 64 MiB, or when the number grows with
/// each of 16 tries.
pub fn list(
    size: usize,
    mut ask: impl FnMut(usize, &mut [u8]) -> io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut room = 64;
    for _ in 0..16 {
        let mut buffer = vec![0; room * size];
        let count = ask(room, &mut buffer)?;
        // For interfaces OpenBSD returns no count above the room, so an equal
        // count may be too small.
        if count < room {
            buffer.truncate(count * size);
            return Ok(buffer);
        }
        room = count.max(room).saturating_add(room / 2 + 1);
        if room.saturating_mul(size) > MAX_BYTES {
            break;
        }
    }
    Err(io::ErrorKind::OutOfMemory.into())
}

/// The flags (`PFR_TFLAG_*`) of all tables of an anchor, by name. None if there is
/// no such anchor.
///
/// # Errors
/// The system's.
pub fn flags(
    device: &mut impl Device,
    abi: &Abi,
    anchor: &str,
) -> io::Result<BTreeMap<Vec<u8>, u32>> {
    let tables = &abi.tables;
    by_name(device, abi, anchor, (&tables.list_tables, tables.table.size), |item| {
        Some(tables.table.flags.get(item) as u32)
    })
}

/// The number of entries of all defined tables of an anchor, by name. Empty where
/// the system's counters are not known.
///
/// # Errors
/// The system's.
pub fn counts(
    device: &mut impl Device,
    abi: &Abi,
    anchor: &str,
) -> io::Result<BTreeMap<Vec<u8>, u64>> {
    let Some(counters) = &abi.tables.counters else { return Ok(BTreeMap::new()) };
    by_name(device, abi, anchor, (&counters.request, counters.size), |item| {
        let is_defined = abi.tables.table.flags.get(item) as u32 & abi::PFR_TFLAG_ACTIVE != 0;
        is_defined.then(|| counters.entries.get(item))
    })
}

/// What `read` finds in each item of a list of tables. An item begins with its
/// `struct pfr_table`.
fn by_name<T>(
    device: &mut impl Device,
    abi: &Abi,
    anchor: &str,
    (request, size): (&Request, usize),
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<BTreeMap<Vec<u8>, T>> {
    let tables = &abi.tables;
    let listed = list(size, |room, buffer| {
        let mut argument = table::empty_argument(abi);
        tables.anchor.write(&mut argument, anchor.as_bytes());
        table::announce(abi, &mut argument, size, room);
        device.ioctl(request, &mut argument, buffer)?;
        Ok(to_count(tables.count.get(&argument)))
    });
    let listed = match listed {
        // The anchor does not exist: EINVAL on FreeBSD, ENOENT on the others.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => {
            return Ok(BTreeMap::new());
        }
        listed => listed?,
    };
    let items = listed.chunks_exact(size);
    let items =
        items.filter(|item| table::text(tables.table.anchor.slice(item)) == anchor.as_bytes());
    let named = |item| Some((table::text(tables.table.name.slice(item)).to_vec(), read(item)?));
    Ok(items.filter_map(named).collect())
}

/// Whether pf passes every packet of the interface (`set skip on`). False if the
/// kernel does not know the request.
///
/// # Errors
/// The system's.
pub fn is_skipped(
    device: &mut impl Device,
    layout: &Interfaces,
    name: &str,
) -> io::Result<bool> {
    let listed = list(layout.size, |room, buffer| {
        let mut argument = vec![0; layout.request.length()];
        layout.element.put(&mut argument, layout.size as u64);
        layout.count.put(&mut argument, room as u64);
        device.ioctl(&layout.request, &mut argument, buffer)?;
        Ok(to_count(layout.count.get(&argument)))
    });
    let listed = match listed {
        // FreeBSD 12 has another structure.
        Err(error) if is_unknown(&error) => return Ok(false),
        listed => listed?,
    };
    Ok(listed.chunks_exact(layout.size).any(|item| {
        table::text(layout.name.slice(item)) == name.as_bytes()
            && layout.flags.get(item) & u64::from(abi::PFI_IFLAG_SKIP) != 0
    }))
}

/// How many more entries all tables together may take. Keeps a sixteenth of the
/// limit free: pf loads pf.conf into shadow tables that count too, but are not
/// listed.
///
/// # Errors
/// The system's.
pub fn headroom(device: &mut impl Device, abi: &Abi, layout: &Limit) -> io::Result<u64> {
    let mut argument = vec![0; layout.request.length()];
    layout.index.put(&mut argument, layout.table_entries.into());
    device.ioctl(&layout.request, &mut argument, &mut [])?;
    let limit = layout.limit.get(&argument);
    let Some(counters) = &abi.tables.counters else { return Ok(u64::MAX) };
    let listed = list(counters.size, |room, buffer| {
        let mut argument = table::empty_argument(abi);
        abi.tables.flags.put(&mut argument, abi::PFR_FLAG_ALLRSETS.into());
        table::announce(abi, &mut argument, counters.size, room);
        device.ioctl(&counters.request, &mut argument, buffer)?;
        Ok(to_count(abi.tables.count.get(&argument)))
    })?;
    let items = listed.chunks_exact(counters.size);
    let used: u64 = items.map(|item| counters.entries.get(item)).sum();
    Ok((limit - limit / 16).saturating_sub(used))
}

/// A count that the kernel wrote.
fn to_count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
