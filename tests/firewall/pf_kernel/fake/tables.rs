//! Requests about tables, as `pf_table.c` of each system answers them.

use std::io;

use nix::libc;

use super::store::{Entries, Entry, Flags, TableKey, key};
use super::{Kernel, System, fail, get32, put32};

/// Where things lie in `struct pfr_addr`.
struct Addr {
    size: usize,
    af: usize,
}

fn addr(system: System) -> Addr {
    if system == System::OpenBsd {
        Addr { size: 52, af: 38 }
    } else {
        Addr { size: 20, af: 16 }
    }
}

const TABLE_SIZE: usize = 1064;
const ESIZE: usize = 1072;
const SIZE: usize = 1076;
const NADD: usize = 1084;
const NDEL: usize = 1088;
const FLAGS: usize = 1096;

/// A text that NULs fill up to the end; anything else is EINVAL.
fn text(bytes: &[u8]) -> io::Result<String> {
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
        return fail(libc::EINVAL);
    };
    if bytes[end..].iter().any(|byte| *byte != 0) {
        return fail(libc::EINVAL);
    }
    Ok(String::from_utf8(bytes[..end].to_vec()).unwrap())
}

/// The table that a `struct pfr_table` names, with its flags.
fn named(bytes: &[u8]) -> io::Result<(TableKey, u32)> {
    let anchor = text(&bytes[..1024])?;
    let name = text(&bytes[1024..1056])?;
    Ok(((anchor.trim_start_matches('/').to_owned(), name), get32(bytes, 1056)))
}

fn flags(bytes: &[u8], accepted: u32) -> io::Result<u32> {
    let flags = get32(bytes, FLAGS);
    if flags & 0x7f & !accepted != 0 { fail(libc::EINVAL) } else { Ok(flags) }
}

fn element_size(bytes: &[u8], size: usize) -> io::Result<()> {
    if get32(bytes, ESIZE) as usize == size { Ok(()) } else { fail(libc::ENODEV) }
}

/// What ADDADDRS and DELADDRS check alike: the key, and the addresses.
fn checked(
    kernel: &Kernel,
    bytes: &[u8],
    memory: &[u8],
) -> io::Result<(TableKey, Vec<(Entry, bool)>)> {
    let addr = addr(kernel.system);
    element_size(bytes, addr.size)?;
    flags(bytes, 2 | 4)?;
    let count = get32(bytes, SIZE) as usize;
    if count > i32::MAX as usize || kernel.system.is_freebsd() && count > kernel.max_count {
        return fail(libc::EINVAL);
    }
    let entries: io::Result<_> =
        memory.chunks(addr.size).take(count).map(|entry| valid(kernel.system, entry)).collect();
    // OpenBSD looks at the addresses before it looks for the table.
    let early = if kernel.system == System::OpenBsd { Some(entries?) } else { None };
    let (key, table_flags) = named(bytes)?;
    if key.1.is_empty() || table_flags != 0 || key.0 == "_pf" {
        return fail(libc::EINVAL);
    }
    match kernel.tables.all.get(&key) {
        None => return fail(libc::ESRCH),
        Some((found, _)) if found.0 & Flags::ACTIVE == 0 => return fail(libc::ESRCH),
        Some((found, _)) if found.0 & Flags::CONST != 0 => return fail(libc::EPERM),
        Some(_) => {}
    }
    let late =
        || memory.chunks(addr.size).take(count).map(|e| valid(kernel.system, e)).collect();
    Ok((key, early.map_or_else(late, Ok)?))
}

/// The entry in a `struct pfr_addr`, if pf takes it.
fn valid(system: System, bytes: &[u8]) -> io::Result<(Entry, bool)> {
    let at = addr(system).af;
    let (af, net, not, feedback) = (bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    let address: [u8; 16] = bytes[..16].try_into().unwrap();
    let bits = match af {
        2 => 32,
        af if af == system.inet6() => 128,
        _ => return fail(libc::EINVAL),
    };
    let beyond = u128::MAX.checked_shr(net.into()).unwrap_or(0);
    if net > bits || not > 1 || feedback != 0 || u128::from_be_bytes(address) & beyond != 0 {
        return fail(libc::EINVAL);
    }
    if system == System::OpenBsd && bytes[42] > 2 {
        return fail(libc::EINVAL);
    }
    Ok(((af, address, net), not == 1))
}

pub fn add(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    let (key, wanted) = checked(kernel, bytes, memory)?;
    let missing = wanted.iter().filter(|(e, _)| !kernel.tables.all[&key].1.contains_key(e));
    if kernel.tables.total() + missing.count() > kernel.tables.limit {
        assert_ne!(kernel.system, System::OpenBsd, "asleep for ever, all of pf locked");
        return fail(libc::ENOMEM);
    }
    let entries = &mut kernel.tables.all.get_mut(&key).unwrap().1;
    let mut outcomes = Vec::new();
    for (entry, negated) in wanted {
        let outcome = match entries.get(&entry) {
            None => 2,
            Some(there) if *there == negated => 6,
            Some(_) => 8,
        };
        if outcome == 2 {
            entries.insert(entry, negated);
        }
        outcomes.push(outcome);
    }
    put32(bytes, NADD, outcomes.iter().filter(|outcome| **outcome == 2).count() as u32);
    // OpenBSD writes them in reverse.
    if kernel.system == System::OpenBsd {
        outcomes.reverse();
    }
    feed_back(kernel.system, bytes, memory, &outcomes);
    Ok(())
}

pub fn delete(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    let (key, wanted) = checked(kernel, bytes, memory)?;
    let entries = &mut kernel.tables.all.get_mut(&key).unwrap().1;
    let mut outcomes = Vec::new();
    for (entry, negated) in wanted {
        outcomes.push(match entries.get(&entry) {
            None => 0,
            Some(there) if *there != negated => 8,
            Some(_) => {
                entries.remove(&entry);
                3
            }
        });
    }
    put32(bytes, NDEL, outcomes.iter().filter(|outcome| **outcome == 3).count() as u32);
    feed_back(kernel.system, bytes, memory, &outcomes);
    Ok(())
}

fn feed_back(system: System, bytes: &[u8], memory: &mut [u8], outcomes: &[u8]) {
    if get32(bytes, FLAGS) & 4 != 0 {
        let addr = addr(system);
        for (entry, outcome) in memory.chunks_mut(addr.size).zip(outcomes) {
            entry[addr.af + 3] = *outcome;
        }
    }
}

pub fn list(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    let addr = addr(kernel.system);
    element_size(bytes, addr.size)?;
    flags(bytes, 0)?;
    let room = get32(bytes, SIZE) as usize;
    if room > i32::MAX as usize || kernel.system.is_freebsd() && room > kernel.max_count {
        return fail(libc::EINVAL);
    }
    let (key, table_flags) = named(bytes)?;
    if table_flags != 0 {
        return fail(libc::EINVAL);
    }
    let found = kernel.tables.all.get(&key).filter(|(flags, _)| flags.0 & Flags::ACTIVE != 0);
    let Some((_, entries)) = found else { return fail(libc::ESRCH) };
    put32(bytes, SIZE, entries.len() as u32);
    if entries.len() > room {
        // Success, and nothing valid in the buffer.
        memory.fill(0xa5);
        return Ok(());
    }
    for (((af, address, net), negated), place) in
        entries.iter().zip(memory.chunks_mut(addr.size))
    {
        place[..16].copy_from_slice(address);
        let tail = [*af, *net, u8::from(*negated)];
        place[addr.af..addr.af + 3].copy_from_slice(&tail);
    }
    Ok(())
}

/// What each host matches: the entry with the longest prefix.
pub fn test(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    let addr = addr(kernel.system);
    element_size(bytes, addr.size)?;
    let replace = flags(bytes, 32)? & 32 != 0;
    let count = get32(bytes, SIZE) as usize;
    if count > i32::MAX as usize || kernel.system.is_freebsd() && count > kernel.max_count {
        return fail(libc::EINVAL);
    }
    let (key, table_flags) = named(bytes)?;
    if table_flags != 0 {
        return fail(libc::EINVAL);
    }
    let found = kernel.tables.all.get(&key).filter(|(flags, _)| flags.0 & Flags::ACTIVE != 0);
    let Some((_, entries)) = found else { return fail(libc::ESRCH) };
    let mut matches = 0;
    for place in memory.chunks_mut(addr.size).take(count) {
        let ((family, host, bits), _) = valid(kernel.system, place)?;
        if bits != if family == 2 { 32 } else { 128 } {
            return fail(libc::EINVAL);
        }
        let covers = |network: &[u8; 16], prefix: u8| {
            let differ = u128::from_be_bytes(*network) ^ u128::from_be_bytes(host);
            differ.leading_zeros() >= prefix.into()
        };
        let around = entries
            .iter()
            .filter(|((af, network, prefix), _)| *af == family && covers(network, *prefix));
        let best = around.max_by_key(|((_, _, prefix), _)| *prefix);
        if replace {
            place.fill(0);
            if let Some(((_, network, prefix), negated)) = best {
                place[..16].copy_from_slice(network);
                let tail = [family, *prefix, u8::from(*negated)];
                place[addr.af..addr.af + 3].copy_from_slice(&tail);
            }
        }
        place[addr.af + 3] = match best {
            None => 0,
            Some((_, true)) => 7,
            Some((_, false)) => 1,
        };
        matches += u32::from(place[addr.af + 3] == 1);
    }
    put32(bytes, NADD, matches);
    Ok(())
}

pub fn create(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    element_size(bytes, TABLE_SIZE)?;
    flags(bytes, 2)?;
    if get32(bytes, SIZE) as usize > kernel.max_count && kernel.system.is_freebsd() {
        return fail(libc::ENOMEM);
    }
    for table in memory.chunks(TABLE_SIZE).take(get32(bytes, SIZE) as usize) {
        let ((anchor, name), flags) = named(table)?;
        let accepted = if kernel.system == System::MacOs { 3 } else { 0x43 };
        if name.is_empty() || flags & !accepted != 0 || anchor == "_pf" {
            return fail(libc::EINVAL);
        }
        let found = kernel.tables.all.get(&key(&anchor, &name));
        if found.is_some_and(|(flags, _)| flags.0 & Flags::ACTIVE != 0) {
            continue;
        }
        if !anchor.is_empty() {
            // The table of the main ruleset that it would fall back to.
            let root = (Flags(32), Entries::new());
            kernel.tables.all.entry(key("", &name)).or_insert(root);
        }
        kernel.tables.define(&anchor, &name, flags);
        put32(bytes, NADD, get32(bytes, NADD) + 1);
    }
    Ok(())
}

type Listed<'k> = Vec<(&'k TableKey, &'k (Flags, Entries))>;

/// The tables of the anchor that a request names, or of all.
fn of_anchor<'k>(kernel: &'k Kernel, bytes: &[u8]) -> io::Result<Listed<'k>> {
    let all = flags(bytes, 64)? & 64 != 0;
    let ((anchor, _), _) = named(bytes)?;
    let of_anchor = |(table, _): &&TableKey| all || *table == anchor;
    if !all && !anchor.is_empty() && !kernel.tables.all.keys().any(|key| of_anchor(&key)) {
        let errno = if kernel.system.is_freebsd() { libc::EINVAL } else { libc::ENOENT };
        return fail(errno);
    }
    Ok(kernel.tables.all.iter().filter(|(key, _)| of_anchor(key)).collect())
}

fn put_table(place: &mut [u8], (anchor, name): &TableKey, flags: Flags) {
    place[..anchor.len()].copy_from_slice(anchor.as_bytes());
    place[1024..1024 + name.len()].copy_from_slice(name.as_bytes());
    put32(place, 1056, flags.0);
}

pub fn list_tables(kernel: &mut Kernel, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
    element_size(bytes, TABLE_SIZE)?;
    let listed = of_anchor(kernel, bytes)?;
    let room = get32(bytes, SIZE) as usize;
    put32(bytes, SIZE, listed.len() as u32);
    if listed.len() <= room {
        for ((key, (flags, _)), place) in listed.into_iter().zip(memory.chunks_mut(TABLE_SIZE))
        {
            put_table(place, key, *flags);
        }
    }
    Ok(())
}

pub fn count_tables(
    kernel: &mut Kernel,
    bytes: &mut [u8],
    memory: &mut [u8],
) -> io::Result<()> {
    let (size, count) = match kernel.system {
        System::OpenBsd => (1232, 1216),
        _ => (1200, 1184),
    };
    element_size(bytes, size)?;
    let listed = of_anchor(kernel, bytes)?;
    let room = get32(bytes, SIZE) as usize;
    put32(bytes, SIZE, listed.len() as u32);
    if listed.len() <= room {
        for ((key, (flags, entries)), place) in listed.into_iter().zip(memory.chunks_mut(size))
        {
            put_table(place, key, *flags);
            put32(place, count, entries.len() as u32);
        }
    }
    Ok(())
}

pub fn limit(kernel: &mut Kernel, bytes: &mut [u8]) -> io::Result<()> {
    if get32(bytes, 0) != 4 {
        return fail(libc::EINVAL);
    }
    put32(bytes, 4, kernel.tables.limit as u32);
    Ok(())
}
