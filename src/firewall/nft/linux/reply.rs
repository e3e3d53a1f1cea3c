//! Decodes answers of nftables.
//!
//! Layouts are those of linux/netlink.h, linux/netfilter/nfnetlink.h and
//! linux/netfilter/nf_tables.h: message headers in host byte order, values of
//! attributes in network byte order.
#![forbid(unsafe_code)]

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP_INTR, NetlinkBuffer, NlasIterator};
use nix::libc;

use super::set::Shape;
use crate::core::address::Family;

/// Messages begin at multiples of this, `NLMSG_ALIGNTO`.
const ALIGNMENT: usize = 4;

/// `struct nfgenmsg`, in front of the attributes of every message.
const NFGENMSG: usize = 4;

/// Attributes that are read, by the message they belong to.
const GEN_ID: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_DORMANT: u32 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LEN: u16 = 5;
const SET_TIMEOUT: u16 = 11;
const SET_USERDATA: u16 = 13;
const USERDATA_MERGES: u8 = 2;
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_INTERVAL_END: u32 = 1;
const ELEMENT_CATCHALL: u32 = 2;
const DATA_VALUE: u16 = 1;

/// One message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The sequence number of the request that it answers.
    pub sequence: u32,
    /// Whether the ruleset changed while it was listed, so that the list is
    /// useless. The kernel does not set this for the elements of a set.
    pub interrupted: bool,
    /// The content.
    pub body: Body<'a>,
}

/// The content of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The end of the answer: 0, or the error number of the system.
    End(i32),
    /// A requested object, and the lower bits of the ruleset's generation.
    Object { generation: u16, attributes: &'a [u8] },
}

/// The messages of one datagram. A malformed one is the last.
pub fn replies(datagram: &[u8]) -> impl Iterator<Item = io::Result<Reply<'_>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok(message) = NetlinkBuffer::new_checked(rest) else {
            rest = &[];
            return Some(Err(malformed()));
        };
        let length = (message.length() as usize).next_multiple_of(ALIGNMENT);
        let reply = reply(&message);
        rest = rest.get(length..).unwrap_or(&[]);
        Some(reply)
    })
}

fn reply<'a>(message: &NetlinkBuffer<&'a [u8]>) -> io::Result<Reply<'a>> {
    let payload = message.payload();
    let body = match i32::from(message.message_type()) {
        libc::NLMSG_ERROR | libc::NLMSG_DONE => {
            let code = payload.first_chunk().ok_or_else(malformed)?;
            // The kernel sends -errno; 0 is an acknowledgement.
            Body::End(i32::from_ne_bytes(*code).checked_neg().ok_or_else(malformed)?)
        }
        libc::NLMSG_NOOP | libc::NLMSG_OVERRUN => return Err(malformed()),
        _ => {
            let (header, attributes) =
                payload.split_first_chunk::<NFGENMSG>().ok_or_else(malformed)?;
            let generation = u16::from_be_bytes([header[2], header[3]]);
            Body::Object { generation, attributes }
        }
    };
    Ok(Reply {
        sequence: message.sequence_number(),
        interrupted: message.flags() & NLM_F_DUMP_INTR != 0,
        body,
    })
}

/// Reads an answer to `get_generation`. Refuses 0, which stands for any
/// generation in a change.
pub fn generation(object: &[u8]) -> io::Result<u32> {
    number(object, GEN_ID)?.filter(|id| *id != 0).ok_or_else(malformed)
}

/// Reads from an answer to `get_table` whether the table is dormant.
pub fn is_dormant(object: &[u8]) -> io::Result<bool> {
    Ok(number(object, TABLE_FLAGS)?.unwrap_or(0) & TABLE_DORMANT != 0)
}

/// Reads the name of a chain from an answer to `get_chains`, if the chain is in
/// `table` and has a hook.
pub fn hooked_chain<'a>(object: &'a [u8], table: &str) -> io::Result<Option<&'a [u8]>> {
    let of = find(object, CHAIN_TABLE)?.map(|name| name.strip_suffix(b"\0").unwrap_or(name));
    if of != Some(table.as_bytes()) || find(object, CHAIN_HOOK)?.is_none() {
        return Ok(None);
    }
    find(object, CHAIN_NAME)
}

/// Reads an answer to `get_set`.
pub fn shape(object: &[u8]) -> io::Result<Shape> {
    Ok(Shape {
        flags: number(object, SET_FLAGS)?.unwrap_or(0),
        key_type: number(object, SET_KEY_TYPE)?.unwrap_or(0),
        key_length: number(object, SET_KEY_LEN)?.unwrap_or(0),
        expires: find(object, SET_TIMEOUT)?.is_some(),
        merges: find(object, SET_USERDATA)?.is_some_and(merges),
    })
}

/// An element of a set. At one address, the end of an interval sorts before the
/// start of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// `None` matches every address.
    pub address: Option<IpAddr>,
    /// Whether it is an address or starts an interval, instead of ending one.
    pub is_start: bool,
}

/// Reads an answer to `get_elements`.
pub fn elements(object: &[u8], family: Family, found: &mut Vec<Element>) -> io::Result<()> {
    let Some(list) = find(object, LIST_ELEMENTS)? else {
        return Ok(());
    };
    for element in attributes(list) {
        let (_, element) = element?;
        let flags = number(element, ELEMENT_FLAGS)?.unwrap_or(0);
        if flags & ELEMENT_CATCHALL != 0 {
            found.push(Element { address: None, is_start: true });
            continue;
        }
        let key = find(element, ELEMENT_KEY)?.ok_or_else(malformed)?;
        let key = find(key, DATA_VALUE)?.ok_or_else(malformed)?;
        let address = match family {
            Family::V4 => <[u8; 4]>::try_from(key).map(IpAddr::from),
            Family::V6 => <[u8; 16]>::try_from(key).map(IpAddr::from),
        };
        let address = Some(address.map_err(|_| malformed())?);
        found.push(Element { address, is_start: flags & ELEMENT_INTERVAL_END == 0 });
    }
    Ok(())
}

/// Whether nft merges neighbouring intervals of a set, as it notes in the data that
/// the kernel keeps for it: records of a type, a length and a value (libnftnl's
/// udata.h, `NFTNL_UDATA_SET_MERGE_ELEMENTS`).
fn merges(mut data: &[u8]) -> bool {
    while let [kind, length, rest @ ..] = data {
        let Some((value, rest)) = rest.split_at_checked((*length).into()) else { break };
        if *kind == USERDATA_MERGES && value.iter().any(|byte| *byte != 0) {
            return true;
        }
        data = rest;
    }
    false
}

/// The attributes in `bytes` by kind, until one is malformed.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = io::Result<(u16, &[u8])>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|_| malformed())?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(4..length).ok_or_else(malformed)?;
        Ok((kind, value))
    })
}

fn find(bytes: &[u8], wanted: u16) -> io::Result<Option<&[u8]>> {
    for attribute in attributes(bytes) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], wanted: u16) -> io::Result<Option<u32>> {
    let Some(value) = find(bytes, wanted)? else {
        return Ok(None);
    };
    let value = value.try_into().map_err(|_| malformed())?;
    Ok(Some(u32::from_be_bytes(value)))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed answer from the kernel")
}
