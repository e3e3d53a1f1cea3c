//! Kills states. They outlive the entry that passed them, because pf looks for a
//! state before it evaluates rules.
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;

use super::abi::{self, Abi};
use super::nvlist::{self, List, Value};
use super::table::family;
use crate::core::address::Entry;
use crate::core::sighting::{Port, Protocol};
use crate::firewall::Kill;
use crate::ioctl::Device;

/// The states that one request kills. `None` matches any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The host or network.
    pub entry: Entry,
    /// The end of the state that has the address.
    pub end: End,
    /// The destination port.
    pub port: Option<Port>,
    /// The routing domain, on OpenBSD.
    pub rdomain: u16,
}

/// An end of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The end that opened the connection.
    Source,
    /// The end that it was opened to.
    Destination,
}

/// The requests that `kill` needs: one for each port. For all ports, one for
/// connections from the address and one for connections to it.
#[must_use]
pub fn matches(kill: &Kill) -> Vec<Match> {
    let one = |end, port| Match { entry: kill.entry, end, port, rdomain: kill.rdomain };
    if kill.ports.is_empty() {
        vec![one(End::Source, None), one(End::Destination, None)]
    } else {
        kill.ports.iter().map(|port| one(End::Source, Some(*port))).collect()
    }
}

/// Kills the states that `wanted` matches. Returns how many.
///
/// # Errors
/// The system's; ENODEV if it knows none of our requests.
pub fn kill(device: &mut impl Device, abi: &Abi, wanted: &Match) -> io::Result<u64> {
    if let Some(nv) = &abi.nv {
        match kill_by_list(device, abi, nv, wanted) {
            // This system has no lists: try the structure.
            Err(error) if is_unknown(&error) => {}
            result => return result,
        }
    }
    let layout = abi.kill.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut argument = argument(abi, layout, wanted);
    device.ioctl(&layout.request, &mut argument, &mut [])?;
    Ok(layout.killed.get(&argument))
}

/// Whether the kernel does not know the request.
#[must_use]
pub fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOTTY))
}

/// The structure. Make one for each call: macOS writes the count over the family.
#[must_use]
pub fn argument(abi: &Abi, layout: &abi::Kill, wanted: &Match) -> Vec<u8> {
    let mut bytes = vec![0; layout.request.length()];
    let end = match wanted.end {
        End::Source => &layout.source,
        End::Destination => &layout.destination,
    };
    let (address, mask) = address_and_mask(wanted.entry);
    end.address.write(&mut bytes, &address);
    end.mask.write(&mut bytes, &mask);
    layout.family.put(&mut bytes, family(abi, wanted.entry.address()));
    if let Some(rdomain) = layout.rdomain {
        rdomain.put(&mut bytes, wanted.rdomain.into());
    }
    if let Some(port) = wanted.port {
        layout.protocol.put(&mut bytes, protocol(port));
        let target = &layout.destination;
        target.ports.write(&mut bytes, &port.number.to_be_bytes());
        target.operator.put(&mut bytes, abi::PF_OP_EQ.into());
    }
    bytes
}

/// Bytes for the answer, which is one number.
const ROOM: usize = 4096;

fn kill_by_list(
    device: &mut impl Device,
    abi: &Abi,
    nv: &abi::Nv,
    wanted: &Match,
) -> io::Result<u64> {
    let mut packed = nvlist::encode(&list(abi, wanted));
    let mut argument = vec![0; nv.kill.length()];
    nv.used.put(&mut argument, packed.len() as u64);
    packed.resize(ROOM.max(packed.len()), 0);
    nv.room.put(&mut argument, packed.len() as u64);
    device.ioctl(&nv.kill, &mut argument, &mut packed)?;
    let used = usize::try_from(nv.used.get(&argument)).unwrap_or(usize::MAX);
    let answer = packed.get(..used).unwrap_or_default();
    nvlist::number(answer, "killed")
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no count in the answer"))
}

/// The request as a name-value list. Every name is required (`pf_nv.c`).
#[must_use]
pub fn list(abi: &Abi, wanted: &Match) -> List {
    let any = [0; 16];
    let end =
        |is: End| if wanted.end == is { address_and_mask(wanted.entry) } else { (any, any) };
    let (source, destination) = (end(End::Source), end(End::Destination));
    vec![
        (
            "cmp",
            Value::List(vec![
                ("id", Value::Number(0)),
                ("creatorid", Value::Number(0)),
                ("direction", Value::Number(0)),
            ]),
        ),
        ("af", Value::Number(family(abi, wanted.entry.address()))),
        ("proto", Value::Number(wanted.port.map_or(0, protocol))),
        ("src", Value::List(end_list(source, None))),
        ("dst", Value::List(end_list(destination, wanted.port))),
        ("ifname", Value::Text("")),
        ("label", Value::Text("")),
        ("kill_match", Value::Bool(false)),
    ]
}

fn end_list((address, mask): ([u8; 16], [u8; 16]), port: Option<Port>) -> List {
    let bytes = |bytes: [u8; 16]| Value::List(vec![("addr", Value::Binary(bytes.to_vec()))]);
    // A port in network order, read as this machine reads 16 bits.
    let number = port.map_or(0, |port| u16::from_ne_bytes(port.number.to_be_bytes()));
    let operator = port.map_or(0, |_| abi::PF_OP_EQ);
    vec![
        (
            "addr",
            Value::List(vec![
                ("type", Value::Number(0)),
                ("iflags", Value::Number(0)),
                ("addr", bytes(address)),
                ("mask", bytes(mask)),
            ]),
        ),
        ("port", Value::Numbers(vec![number.into(), 0])),
        ("neg", Value::Number(0)),
        ("port_op", Value::Number(operator.into())),
    ]
}

/// The address and the mask of an entry in the 16 bytes of `struct pf_addr`.
fn address_and_mask(entry: Entry) -> ([u8; 16], [u8; 16]) {
    let (mut address, mut mask) = ([0; 16], [0; 16]);
    let all: IpAddr = match entry.address() {
        IpAddr::V4(v4) => {
            address[..4].copy_from_slice(&v4.octets());
            Ipv4Addr::BROADCAST.into()
        }
        IpAddr::V6(v6) => {
            address = v6.octets();
            Ipv6Addr::from_bits(u128::MAX).into()
        }
    };
    match Entry::new(all, entry.prefix()).map(|entry| entry.address()) {
        Some(IpAddr::V4(v4)) => mask[..4].copy_from_slice(&v4.octets()),
        Some(IpAddr::V6(v6)) => mask = v6.octets(),
        None => {}
    }
    (address, mask)
}

fn protocol(port: Port) -> u64 {
    match port.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}
