//! Capture on Linux: one packet(7) socket per interface.
#![forbid(unsafe_code)]

mod routes;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socket};
use zeroize::Zeroize;

use super::filter::{Direction, compile};
use crate::core::interest::Interest;
use crate::core::interface::Interface;
use crate::core::link::Link;
use crate::sys::linux::packet_ring::{self, Ring};
use crate::sys::linux::packet_socket;

pub use routes::{egress, is_change, watch_socket};

/// Room for the largest IP packet and its link header.
const FRAME: usize = 65536 + 64;

/// A socket that delivers the incoming frames of one interface that the filter
/// accepts. A process with a copy of its descriptor can read them.
pub struct Attachment {
    link: Link,
    fd: OwnedFd,
    dropped: u64,
}

impl Attachment {
    /// Opens a socket, sets and locks its filter, gives it a ring, and only then
    /// binds it.
    ///
    /// # Errors
    /// When the interface has an unknown link type, when the kernel has no memory
    /// for the ring, or when a system call fails (`CAP_NET_RAW` is needed).
    pub fn open(interface: &Interface, interests: &[Interest]) -> io::Result<Self> {
        // Protocol 0 receives nothing: no frame is queued before the filter.
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        let link = link(fd.as_fd(), &interface.name)?;
        let mut program: Vec<_> = compile(link, interests, Direction::Incoming)
            .instructions()
            .iter()
            .map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
            .collect();
        let is_attached = packet_socket::attach_filter(fd.as_fd(), &program);
        // Operands hold words of keys.
        program.iter_mut().for_each(|instruction| instruction.k.zeroize());
        is_attached?;
        packet_socket::lock_filter(fd.as_fd())?;
        packet_ring::create(fd.as_fd())?;
        packet_socket::bind(fd.as_fd(), interface.index)?;
        Ok(Self { link, fd, dropped: 0 })
    }

    /// Returns the link type of its frames.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// Returns 0: readers do not need the size of the kernel's buffer.
    #[must_use]
    pub const fn buffer(&self) -> u32 {
        0
    }

    /// Returns the descriptor, to send a copy of it to the process that reads.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns how many frames were dropped since the start because they were not
    /// read in time.
    pub fn dropped(&mut self) -> u64 {
        // The kernel's counter starts again at each call.
        let more = packet_socket::dropped(self.fd.as_fd()).unwrap_or(0);
        self.dropped = self.dropped.saturating_add(more.into());
        self.dropped
    }
}

/// Reads what a copy of an attachment's descriptor delivers.
pub struct Reader {
    fd: OwnedFd,
    ring: Ring,
    /// For frames that are longer than a slot.
    long: Vec<u8>,
}

impl Reader {
    /// Reads from a copy of an attachment's descriptor.
    ///
    /// # Errors
    /// When the process has no room for the ring.
    pub fn adopt(fd: OwnedFd, _buffer: u32) -> io::Result<Self> {
        let ring = Ring::map(fd.as_fd())?;
        Ok(Self { fd, ring, long: vec![0; FRAME] })
    }

    /// Returns the descriptor, to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reads up to `budget` frames that have arrived, and as many that are longer
    /// than a slot: a flood of others does not keep them waiting. Returns how many.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface is down or gone; others are not
    /// expected.
    pub fn read(&mut self, budget: usize, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut frames = 0;
        while frames < budget
            && let Some(frame) = self.ring.take()
        {
            each(frame);
            frames += 1;
        }
        // Those that are longer than a slot are in the queue. So are errors.
        let most = frames + budget;
        while frames < most {
            match recv(self.fd.as_raw_fd(), &mut self.long, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    each(self.long.get(..length).unwrap_or_default());
                    frames += 1;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(frames)
    }
}

/// Returns the link type of an interface, by its hardware type.
fn link(socket: BorrowedFd<'_>, name: &str) -> io::Result<Link> {
    let hardware = packet_socket::hardware(socket, name)?;
    by_hardware(hardware).ok_or_else(|| {
        let text = format!("interface {name} has hardware type {hardware}, not supported");
        io::Error::new(io::ErrorKind::Unsupported, text)
    })
}

/// The hardware type of mobile modems (linux/if_arp.h).
const ARPHRD_RAWIP: u16 = 519;

const fn by_hardware(hardware: u16) -> Option<Link> {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(Link::Ethernet),
        libc::ARPHRD_NONE
        | libc::ARPHRD_PPP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_RAWIP => Some(Link::Raw),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_types_have_their_documented_numbers() {
        for ethernet in [1, 772] {
            assert_eq!(by_hardware(ethernet), Some(Link::Ethernet));
        }
        for raw in [65534, 512, 768, 769, 776, 778, 519] {
            assert_eq!(by_hardware(raw), Some(Link::Raw));
        }
        assert_eq!(by_hardware(280), None, "a CAN bus");
    }
}
