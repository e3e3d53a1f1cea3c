//! Name-value lists as the kernel's libnv reads and writes them, strictly.

use std::collections::BTreeMap;
use std::io;

use nix::libc;

use super::{fail, get32, put32};

pub type List = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    Number(u64),
    Text(String),
    Binary(Vec<u8>),
    Numbers(Vec<u64>),
    List(List),
}

impl Value {
    pub fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub fn list(&self) -> Option<&List> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// The list in exactly these bytes.
pub fn unpack(bytes: &[u8]) -> Option<List> {
    let mut rest = bytes;
    let list = unpack_list(&mut rest, false)?;
    rest.is_empty().then_some(list)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn unpack_list(rest: &mut &[u8], nested: bool) -> Option<List> {
    let header = take(rest, 19)?;
    // The size of every header counts to the end of the whole buffer.
    if header[..3] != [0x6c, 0, 0] || u64_at(header, 11)? != rest.len() as u64 {
        return None;
    }
    let mut list = List::new();
    while nested || !rest.is_empty() {
        let header = take(rest, 19)?;
        let name_length = u16::from_le_bytes([header[1], header[2]]).into();
        let (length, items) = (u64_at(header, 3)? as usize, u64_at(header, 11)? as usize);
        let (end, name) = take(rest, name_length)?.split_last()?;
        let name = String::from_utf8(name.to_vec()).ok().filter(|_| *end == 0)?;
        if header[0] == 255 {
            return (nested && name.is_empty() && length == 0).then_some(list);
        }
        if header[0] == 5 {
            let before = rest.len();
            let inner = unpack_list(rest, true)?;
            // Its own pairs, without the one that ends it.
            assert_eq!(before - rest.len(), length + 20);
            list.insert(name, Value::List(inner));
            continue;
        }
        list.insert(name, value(header[0], take(rest, length)?, items)?);
    }
    Some(list)
}

fn value(kind: u8, data: &[u8], items: usize) -> Option<Value> {
    Some(match (kind, data.len()) {
        (2, 1) => Value::Bool(data[0] != 0),
        (3, 8) => Value::Number(u64_at(data, 0)?),
        (4, _) => {
            let (end, text) = data.split_last()?;
            Value::Text(String::from_utf8(text.to_vec()).ok().filter(|_| *end == 0)?)
        }
        (7, _) => Value::Binary(data.to_vec()),
        (9, length) if length == items * 8 => {
            Value::Numbers(data.chunks(8).filter_map(|chunk| u64_at(chunk, 0)).collect())
        }
        _ => return None,
    })
}

fn pair(kind: u8, name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(name.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(data);
    bytes
}

fn pack(pairs: &[Vec<u8>]) -> Vec<u8> {
    let pairs = pairs.concat();
    let mut bytes = vec![0x6c, 0, 0];
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
    [bytes, pairs].concat()
}

pub fn killed(count: u64) -> Vec<u8> {
    pack(&[pair(3, "killed", &count.to_le_bytes())])
}

/// A status as FreeBSD packs it: counters in a list of their own before
/// `running`, one of them of the same name, and far more than a page of them.
pub fn status(running: bool) -> Vec<u8> {
    let mut inner = vec![pair(2, "running", &[u8::from(!running)])];
    inner.extend((0..400_u64).map(|number| pair(3, "counter", &number.to_le_bytes())));
    let inner = pack(&inner);
    let mut counters = pair(5, "counters", &inner);
    counters.extend(pair(255, "", &[]));
    pack(&[counters, pair(2, "running", &[u8::from(running)])])
}

/// Hands out a list by `struct pfioc_nv`.
pub fn answer(bytes: &mut [u8], memory: &mut [u8], packed: &[u8]) -> io::Result<()> {
    let room = get32(bytes, 16) as usize;
    put32(bytes, 8, packed.len() as u32);
    if room == 0 {
        return Ok(());
    }
    if room < packed.len() {
        return fail(libc::ENOSPC);
    }
    memory[..packed.len()].copy_from_slice(packed);
    Ok(())
}
