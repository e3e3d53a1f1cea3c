//! rtnetlink(7) sockets: they report changes, and list routes. Layouts are those
//! of linux/netlink.h and linux/rtnetlink.h.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NetlinkBuffer, NlasIterator};
use nix::libc;
use nix::net::if_::if_indextoname;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// How long to wait for an answer, in seconds.
const PATIENCE: i64 = 2;
/// The largest datagram of a list (`netlink_recvmsg` of Linux).
const DATAGRAM: usize = 32 * 1024;
/// Messages begin at multiples of it (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;
/// `struct nlmsghdr` and `struct rtmsg`.
const REQUEST: usize = 16 + 12;
/// `struct rtnexthop`, and where its length and the interface's index are.
const HOP: usize = 8;

/// Changes that are reported.
const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV6_ROUTE;

/// Returns a socket that the kernel reports changes to.
///
/// # Errors
/// When it cannot be opened or bound.
pub fn watch_socket() -> io::Result<OwnedFd> {
    let fd = route_socket(SockFlag::SOCK_NONBLOCK)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS as u32))?;
    Ok(fd)
}

/// Whether a message, or its start, reports a change: all do, answers go to whom
/// asked.
#[must_use]
pub const fn is_change(_: &[u8]) -> bool {
    true
}

fn route_socket(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | flags;
    let protocol = SockProtocol::NetlinkRoute;
    Ok(socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?)
}

/// Returns the names of the interfaces of the default routes in the main table,
/// each once. A multipath route has several.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn egress() -> io::Result<Vec<String>> {
    let indices = indices().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot list the routes: {error}"))
    })?;
    // An interface that is gone meanwhile has no name.
    let names = indices.into_iter().filter_map(|index| if_indextoname(index).ok());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A list that changes while it is read may lack a route. The change wakes
/// [`Watch`](crate::capture::Watch) too, and then the routes are listed again.
fn indices() -> io::Result<Vec<u32>> {
    let fd = route_socket(SockFlag::empty())?;
    setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
    send(fd.as_raw_fd(), &request(), MsgFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM];
    let mut indices = Vec::new();
    loop {
        let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Ok(message) = NetlinkBuffer::new_checked(rest) {
            let payload = message.payload();
            match i32::from(message.message_type()) {
                libc::NLMSG_DONE => return Ok(indices),
                libc::NLMSG_ERROR => return Err(refusal(payload)),
                _ => indices.extend(default_hops(payload).unwrap_or_default()),
            }
            let length = (message.length() as usize).next_multiple_of(ALIGNMENT);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// Asks for all routes of all families. The kernel does not select by prefix.
fn request() -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&libc::RTM_GETROUTE.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request
}

fn refusal(payload: &[u8]) -> io::Error {
    let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    io::Error::from_raw_os_error(code.saturating_neg())
}

/// Returns the indices of the interfaces that a route leads to if it is a
/// default route of IPv4 or IPv6. One that rejects packets has another type.
fn default_hops(route: &[u8]) -> Option<Vec<u32>> {
    let (header, attributes) = route.split_first_chunk::<12>()?;
    let [family, prefix, _, _, table, _, _, kind, ..] = *header;
    let is_ip = [libc::AF_INET, libc::AF_INET6].contains(&family.into());
    if !is_ip || prefix != 0 || table != libc::RT_TABLE_MAIN || kind != libc::RTN_UNICAST {
        return None;
    }
    let mut indices = Vec::new();
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(4..length)?;
        match kind {
            libc::RTA_OIF => indices.push(u32::from_ne_bytes(value.try_into().ok()?)),
            libc::RTA_MULTIPATH => indices.extend(hops(value)),
            _ => {}
        }
    }
    Some(indices)
}

fn hops(mut hops: &[u8]) -> Vec<u32> {
    let mut indices = Vec::new();
    while let Some(&[a, b, _, _, index @ ..]) = hops.first_chunk::<HOP>() {
        indices.push(u32::from_ne_bytes(index));
        let length = usize::from(u16::from_ne_bytes([a, b])).max(HOP);
        hops = hops.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A default route of IPv4 with two hops, of which the first has a gateway.
    fn multipath() -> Vec<u8> {
        let mut route = vec![2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        let half = |number: u16| number.to_ne_bytes();
        let hop =
            |length, index: u32| [&half(length)[..], &[0; 2], &index.to_ne_bytes()].concat();
        route.extend([half(28), half(9)].concat());
        route.extend(hop(16, 7));
        route.extend([&half(8)[..], &half(5), &[192, 0, 2, 1]].concat());
        route.extend(hop(8, 8));
        route
    }

    #[test]
    fn a_multipath_route_has_all_its_hops() {
        assert_eq!(default_hops(&multipath()), Some(vec![7, 8]));
    }

    #[test]
    fn other_families_prefixes_tables_and_types_are_no_default_routes() {
        for (at, value) in [(0, 28), (1, 1), (4, 7), (7, 6)] {
            let mut route = multipath();
            route[at] = value;
            assert_eq!(default_hops(&route), None, "{at}");
        }
    }

    #[test]
    fn a_route_cut_anywhere_does_no_harm() {
        let whole = multipath();
        for length in 0..whole.len() {
            assert!(default_hops(&whole[..length]).unwrap_or_default().is_empty());
        }
        for at in 0..whole.len() {
            let mut route = whole.clone();
            route[at] ^= 0xff;
            let _ = default_hops(&route);
        }
    }
}
