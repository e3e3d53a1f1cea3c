//! Asks which interface the default route leads to: a message of route(4),
//! and its answer.
#![forbid(unsafe_code)]

use super::abi::Abi;

/// Which of the two default routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// That of IPv4.
    V4,
    /// That of IPv6.
    V6,
}

/// What an answer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The process that asks.
    pub process: u32,
    /// Its number for the question.
    pub sequence: u32,
}

/// The question for the route to the unspecified address, which only a
/// default route leads to.
#[must_use]
pub fn question(abi: &Abi, family: Family, asker: Asker) -> Vec<u8> {
    let (route, [inet, inet6]) = (&abi.route, abi.route.families);
    // struct sockaddr_in and sockaddr_in6: length, family, all else zero.
    let (length, number) = match family {
        Family::V4 => (16_usize, inet),
        Family::V6 => (28, inet6),
    };
    let mut bytes = vec![0; route.size + length.next_multiple_of(abi.address_alignment)];
    let total = bytes.len() as u64;
    route.length.put(&mut bytes, total);
    for (field, value) in [route.version, route.get, route.destination] {
        field.put(&mut bytes, value.into());
    }
    route.process.put(&mut bytes, asker.process.into());
    route.sequence.put(&mut bytes, asker.sequence.into());
    if let Some([size, family, ..]) = bytes.get_mut(route.size..) {
        (*size, *family) = (length as u8, number as u8);
    }
    bytes
}

/// The interface's index out of a message, if it answers the question: the
/// kernel sends everybody's answers to everybody. `Some(None)` when there is
/// no such route.
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
    Some(index.filter(|index| *index != 0 && route.error.get(message) == 0))
}
