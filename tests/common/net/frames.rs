//! Frames made by hand, and a socket that sends them as they are. Checksums
//! are left out: no test is about them.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, sendto, socket,
};

use super::Namespace;

pub const UDP: u8 = 17;
pub const TCP: u8 = 6;

/// A UDP datagram.
pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let head = [40_000_u16, port, length, 0].map(u16::to_be_bytes);
    [&head.concat(), payload].concat()
}

/// A TCP segment that opens a connection.
pub fn syn(port: u16, sequence: u32) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&40_000_u16.to_be_bytes());
    segment[2..4].copy_from_slice(&port.to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    segment[12..14].copy_from_slice(&[0x50, 0x02]);
    segment
}

/// An Ethernet frame with an IP packet of the family of `source`.
pub fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![0x02; 12];
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0, 0x45, 0]);
            frame.extend((20 + length).to_be_bytes());
            frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        _ => panic!("{source} and {destination} are of two families"),
    }
    frame.extend(payload);
    frame
}

/// Sends frames out of a host's eth0.
pub struct Injector {
    socket: OwnedFd,
    address: SockaddrStorage,
}

impl Injector {
    pub fn on(host: &Namespace) -> Self {
        host.enter(|| {
            let socket =
                socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
            let mut all = getifaddrs().unwrap().filter(|entry| entry.interface_name == "eth0");
            let link = all.find_map(|entry| {
                entry.address.filter(|address| address.as_link_addr().is_some())
            });
            Self { socket: socket.unwrap(), address: link.unwrap() }
        })
    }

    /// Sends one frame; tries again while the queue has no room.
    pub fn send(&self, frame: &[u8]) {
        let link = self.address.as_link_addr().unwrap();
        loop {
            match sendto(self.socket.as_raw_fd(), frame, link, MsgFlags::empty()) {
                Ok(length) => return assert_eq!(length, frame.len()),
                Err(Errno::ENOBUFS) => std::thread::yield_now(),
                Err(error) => panic!("cannot send: {error}"),
            }
        }
    }
}
