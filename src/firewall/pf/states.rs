//! Kills states, which outlive the entry that let them through: pf looks for
//! a state before it looks at its rules.
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

/// Which states one request is to kill. A part that is absent stands for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The host or network.
    pub entry: Entry,
    /// Which end of the state has the address.
    pub end: End,
    /// The port of its target.
    pub port: Option<Port>,
    /// Its routing domain, on OpenBSD.
    pub rdomain: u16,
}

/// An end of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Who began it.
    Source,
    /// To whom.
    Destination,
}

/// The requests that `kill` takes: one per port, or for all ports one for
/// what the address began and one for what others began with it.
#[must_use]
pub fn matches(kill: &Kill) -> Vec<Match> {
    let one = |end, port| Match { entry: kill.entry, end, port, rdomain: kill.rdomain };
    if kill.ports.is_empty() {
        vec![one(End::Source, None), one(End::Destination, None)]
    } else {
        kill.ports.iter().map(|port| one(End::Source, Some(*port))).collect()
    }
}

/// Kills what `wanted` matches, and counts it.
///
/// # Errors
/// The system's; ENODEV where it knows none of our requests.
pub fn kill(device: &mut impl Device, abi: &Abi, wanted: &Match) -> io::Result<u64> {
    if let Some(nv) = &abi.nv {
        match kill_by_list(device, abi, nv, wanted) {
            // A system before the lists, or after: the structure may do.
            Err(error) if is_unknown(&error) => {}
            result => return result,
        }
    }
    let layout = abi.kill.as_ref().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut argument = argument(abi, layout, wanted);
    device.ioctl(&layout.request, &mut argument, &mut [])?;
    Ok(layout.killed.get(&argument))
}

/// Whether the kernel does not know the request at all.
#[must_use]
pub fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOTTY))
}

/// The structure, made anew for each call: macOS counts where the family was.
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

/// Room for the answer, which is one number.
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

/// The same as a name-value list; every name is required (`pf_nv.c`).
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

/// An address in the 16 bytes of `struct pf_addr`, and the mask of what counts.
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
