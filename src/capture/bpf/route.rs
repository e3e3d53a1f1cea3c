//! The message of route(4) that asks for a default route, and its answer.
#![forbid(unsafe_code)]

use super::abi::Abi;
use crate::core::address::Family;

/// What an answer repeats of its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The process that asks.
    pub process: u32,
    /// The number of the question.
    pub sequence: u32,
}

/// Returns the question for the route to the unspecified address with a netmask
/// of zeros. Without a netmask the kernel would answer with the longest match:
/// the route that rejects ::/96, which rc(8) of FreeBSD and netstart(8) of
/// OpenBSD add.
#[must_use]
pub fn question(abi: &Abi, family: Family, asker: Asker) -> Vec<u8> {
    let (route, [inet, inet6]) = (&abi.route, abi.route.families);
    // struct sockaddr_in and sockaddr_in6: length, family, all else zero.
    let (length, number) = match family {
        Family::V4 => (16_usize, inet),
        Family::V6 => (28, inet6),
    };
    let mut address = vec![0; length.next_multiple_of(abi.address_alignment)];
    address[..2].copy_from_slice(&[length as u8, number as u8]);
    // The destination, and the netmask.
    let mut bytes = [vec![0; route.size], address.repeat(2)].concat();
    let total = bytes.len() as u64;
    route.length.put(&mut bytes, total);
    for (field, value) in [route.version, route.get, route.addresses] {
        field.put(&mut bytes, value.into());
    }
    route.process.put(&mut bytes, asker.process.into());
    route.sequence.put(&mut bytes, asker.sequence.into());
    bytes
}

/// Whether a message, or its start, is a question or an answer: the kernel sends
/// both to everybody.
#[must_use]
pub fn is_question(abi: &Abi, message: &[u8]) -> bool {
    let (kind, get) = abi.route.get;
    kind.get(message) == u64::from(get)
}

/// Returns the interface's index from a message that answers the question, `None`
/// from any other: the kernel sends all answers to all sockets. `Some(None)` when
/// there is no such route, or when it rejects what it matches.
#[must_use]
pub fn answer(abi: &Abi, message: &[u8], asker: Asker) -> Option<Option<u32>> {
    let route = &abi.route;
    let is = |(field, value): (_, u32)| {
        let field: crate::ioctl::layout::Field = field;
        field.get(message) == u64::from(value)
    };
    let is_ours = message.len() >= route.size
        && is(route.version)
        && is(route.get)
        && is((route.process, asker.process))
        && is((route.sequence, asker.sequence));
    if !is_ours {
        return None;
    }
    let index = u32::try_from(route.interface.get(message)).ok();
    let (flags, nowhere) = route.flags;
    let leads_out =
        route.error.get(message) == 0 && flags.get(message) & u64::from(nowhere) == 0;
    Some(index.filter(|index| *index != 0 && leads_out))
}
