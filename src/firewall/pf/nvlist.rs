//! FreeBSD's name-value lists, packed: nv(9), and `struct nvlist_header` and
//! `struct nvpair_header` of `sys/contrib/libnv`.
//!
//! A list is a header and pairs; a list within a list ends with a pair of its
//! own. Lists are written little-endian, which every kernel reads, and read in
//! either order.
#![forbid(unsafe_code)]

/// The value of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A text without NUL.
    Text(&'static str),
    /// Bytes.
    Binary(Vec<u8>),
    /// Numbers.
    Numbers(Vec<u64>),
    /// Another list.
    List(List),
}

/// Names and values, in order.
pub type List = Vec<(&'static str, Value)>;

const MAGIC: u8 = 0x6c;
const BIG_ENDIAN: u8 = 0x80;
const HEADER: usize = 19;

const BOOL: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const LIST: u8 = 5;
const BINARY: u8 = 7;
const NUMBERS: u8 = 9;
const LISTS: u8 = 11;
/// Between two lists of an array of lists.
const NEXT: u8 = 254;
/// After the last pair of a list within a list.
const UP: u8 = 255;

/// Packs a list.
#[must_use]
pub fn encode(list: &List) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut headers = Vec::new();
    write_list(list, &mut bytes, &mut headers);
    // Each header, also of a list within a list, holds how many bytes of the
    // whole buffer follow it.
    let end = bytes.len();
    for at in headers {
        let left = (end - at - HEADER) as u64;
        bytes[at + 11..at + HEADER].copy_from_slice(&left.to_le_bytes());
    }
    bytes
}

fn write_list(list: &List, bytes: &mut Vec<u8>, headers: &mut Vec<usize>) {
    headers.push(bytes.len());
    bytes.push(MAGIC);
    bytes.extend_from_slice(&[0; HEADER - 1]);
    for (name, value) in list {
        write_pair(name, value, bytes, headers);
    }
}

fn write_pair(name: &str, value: &Value, bytes: &mut Vec<u8>, headers: &mut Vec<usize>) {
    let mut pair = |kind, length: usize, count: usize, data: &[u8]| {
        write_header(bytes, kind, name, length, count);
        bytes.extend_from_slice(data);
    };
    match value {
        Value::Bool(value) => pair(BOOL, 1, 0, &[u8::from(*value)]),
        Value::Number(value) => pair(NUMBER, 8, 0, &value.to_le_bytes()),
        Value::Text(value) => {
            let data = [value.as_bytes(), &[0]].concat();
            pair(TEXT, data.len(), 0, &data);
        }
        Value::Binary(value) => pair(BINARY, value.len(), 0, value),
        Value::Numbers(values) => {
            let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            pair(NUMBERS, data.len(), values.len(), &data);
        }
        Value::List(list) => {
            let start = bytes.len();
            write_header(bytes, LIST, name, 0, 0);
            let inner = bytes.len();
            write_list(list, bytes, headers);
            let length = (bytes.len() - inner) as u64;
            bytes[start + 3..start + 11].copy_from_slice(&length.to_le_bytes());
            write_header(bytes, UP, "", 0, 0);
        }
    }
}

fn write_header(bytes: &mut Vec<u8>, kind: u8, name: &str, length: usize, count: usize) {
    bytes.push(kind);
    bytes.extend_from_slice(&(name.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
    bytes.extend_from_slice(&(count as u64).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
}

/// The boolean of `name` in a packed list, not in lists within it.
#[must_use]
pub fn bool(packed: &[u8], name: &str) -> Option<bool> {
    let (kind, data, _) = find(packed, name)?;
    (kind == BOOL).then_some(*data.first()? != 0)
}

/// The number of `name` in a packed list, not in lists within it.
#[must_use]
pub fn number(packed: &[u8], name: &str) -> Option<u64> {
    let (kind, data, read) = find(packed, name)?;
    let data = data.first_chunk().filter(|_| kind == NUMBER && data.len() == 8)?;
    Some(read.u64(*data))
}

/// The byte order of a packed list.
#[derive(Clone, Copy)]
struct ByteOrder {
    big: bool,
}

impl ByteOrder {
    fn u64(self, bytes: [u8; 8]) -> u64 {
        if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }

    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

/// The pair `name` of the outermost list: its type, its data and its byte
/// order. Each turn takes at least a header off `rest`, so the loop ends.
fn find<'a>(packed: &'a [u8], name: &str) -> Option<(u8, &'a [u8], ByteOrder)> {
    let (header, mut rest) = packed.split_at_checked(HEADER)?;
    if header[0] != MAGIC {
        return None;
    }
    let order = ByteOrder { big: header[2] & BIG_ENDIAN != 0 };
    let mut depth = 0_usize;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(HEADER)?;
        let kind = header[0];
        let name_length = order.u16([header[1], header[2]]);
        let (pair_name, after) = after.split_at_checked(name_length.into())?;
        let length = order.u64(*header[3..].first_chunk()?);
        // The pairs of a list within a list follow its own header.
        let inside = matches!(kind, LIST | LISTS | NEXT);
        let length = match kind {
            UP => 0,
            _ if inside => HEADER,
            _ => usize::try_from(length).ok()?,
        };
        let (data, after) = after.split_at_checked(length)?;
        if depth == 0 && pair_name.strip_suffix(&[0]) == Some(name.as_bytes()) {
            return Some((kind, data, order));
        }
        match kind {
            LIST | LISTS => depth += 1,
            UP => depth = depth.checked_sub(1)?,
            _ => {}
        }
        rest = after;
    }
    None
}
