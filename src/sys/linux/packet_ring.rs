//! The receive ring of a packet(7) socket: the kernel puts frames into memory that
//! it shares with the reader (`PACKET_RX_RING`; layouts of linux/if_packet.h, order
//! of events of net/packet/af_packet.c).
//!
//! The ring is of version 2. One of version 3 packs frames closer, but wakes its
//! reader only when a block is full or a timer ends, and the timer never stops: a
//! token would wait for a tick or two, and an idle machine would not sleep.

use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

use super::packet_socket::set;

/// Bytes of a slot: enough for a short token after any headers. Of a longer frame
/// it holds the begin.
const SLOT: usize = 1024;
/// Slots of a ring: 3 ms of 300,000 frames per second.
const SLOTS: usize = 1024;
/// Bytes of a ring.
pub const RING: usize = SLOT * SLOTS;
/// Bytes that the kernel allocates in one piece.
const BLOCK: usize = 1 << 16;

/// linux/if_packet.h, missing in the libc crate.
const PACKET_COPY_THRESH: c_int = 7;

/// Gives the socket a ring. Frames that are longer than a slot also come to its
/// queue, whole.
///
/// # Errors
/// `ENOMEM` when the kernel has no memory for it.
pub fn create(socket: BorrowedFd<'_>) -> io::Result<()> {
    let count = |number: usize| c_uint::try_from(number).unwrap_or(0);
    let request = libc::tpacket_req {
        tp_block_size: count(BLOCK),
        tp_block_nr: count(RING / BLOCK),
        tp_frame_size: count(SLOT),
        tp_frame_nr: count(SLOTS),
    };
    let version = libc::tpacket_versions::TPACKET_V2 as c_int;
    set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
    set::<c_int>(socket, libc::SOL_PACKET, PACKET_COPY_THRESH, &1)?;
    set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)
}

/// A mapped ring.
pub struct Ring {
    memory: NonNull<c_void>,
    /// The slot that the kernel fills next or filled least recently; `None`
    /// until a frame shows where the kernel is.
    next: Option<usize>,
    /// The frame taken last.
    frame: Box<[u8; SLOT]>,
}

impl Ring {
    /// Maps the ring of a socket.
    ///
    /// # Errors
    /// When the socket has none, or when the process has no room.
    pub fn map(socket: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: the kernel chooses the place, so no memory in use is replaced.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                RING,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(memory) {
            Some(memory) if memory.as_ptr() != libc::MAP_FAILED => {
                Ok(Self { memory, next: None, frame: Box::new([0; SLOT]) })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Takes the next frame that has arrived.
    pub fn take(&mut self) -> Option<&[u8]> {
        let length = self.copy_next()?;
        self.frame.get(..length)
    }

    /// Copies the next frame that has arrived, and returns its slot to the kernel.
    /// Returns the frame's length.
    fn copy_next(&mut self) -> Option<usize> {
        loop {
            let slot = match self.next {
                Some(slot) => slot,
                None => self.oldest()?,
            };
            let status = self.status(slot).load(Ordering::Acquire);
            if status & libc::TP_STATUS_USER == 0 {
                return None;
            }
            let length = self.copy(slot);
            // After the copy: the kernel may write to the slot from here on.
            self.status(slot).store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.next = Some((slot + 1) % SLOTS);
            // A frame that is longer comes by the queue.
            if status & libc::TP_STATUS_COPY == 0 && length.is_some() {
                return length;
            }
        }
    }

    /// Copies a slot's frame. Returns its length, or `None` if the slot makes no
    /// sense: another process that had the ring before may have written to it.
    fn copy(&mut self, slot: usize) -> Option<usize> {
        let header = self.header(slot);
        let begin = usize::from(header.tp_mac);
        let length = usize::try_from(header.tp_snaplen).ok()?;
        if begin < size_of_val(&header) || begin.checked_add(length)? > SLOT {
            return None;
        }
        let frame = self.slot(slot).wrapping_add(begin);
        // SAFETY: `begin` and `length` lie within the slot, which is within the
        // ring, and `self.frame` is as long as a slot and apart from it. The copy
        // is by raw pointers: no reference to memory that others may write exists.
        unsafe { std::ptr::copy_nonoverlapping(frame, self.frame.as_mut_ptr(), length) };
        Some(length)
    }

    /// The filled slot with the earliest time.
    fn oldest(&self) -> Option<usize> {
        let filled = (0..SLOTS).filter(|&slot| {
            self.status(slot).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
        });
        filled.min_by_key(|&slot| {
            let header = self.header(slot);
            (header.tp_sec, header.tp_nsec)
        })
    }

    fn header(&self, slot: usize) -> libc::tpacket2_hdr {
        // SAFETY: a slot begins with this header, aligned, and any bytes make
        // valid integers.
        unsafe { self.slot(slot).cast::<libc::tpacket2_hdr>().read_volatile() }
    }

    fn status(&self, slot: usize) -> &AtomicU32 {
        // SAFETY: the status is the first, aligned field of the slot; it lives as
        // long as the mapping, which `self` owns; and it is accessed atomically.
        unsafe { AtomicU32::from_ptr(self.slot(slot).cast()) }
    }

    fn slot(&self, slot: usize) -> *mut u8 {
        self.memory.as_ptr().cast::<u8>().wrapping_add(slot % SLOTS * SLOT)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it is the mapping of `map`; nothing that points into it lives on.
        unsafe { libc::munmap(self.memory.as_ptr(), RING) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of ordinary memory.
    fn ring() -> Ring {
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses the place.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), RING, access, private, -1, 0) };
        assert_ne!(memory, libc::MAP_FAILED);
        Ring { memory: NonNull::new(memory).unwrap(), next: None, frame: Box::new([0; SLOT]) }
    }

    /// Writes a header and a byte of the frame into a slot, as the kernel does.
    fn fill(ring: &Ring, slot: usize, second: u32, (begin, length): (u16, u32), byte: u8) {
        // SAFETY: any bytes make a valid header.
        let mut header: libc::tpacket2_hdr = unsafe { std::mem::zeroed() };
        header.tp_status = libc::TP_STATUS_USER;
        (header.tp_mac, header.tp_snaplen, header.tp_sec) = (begin, length, second);
        // SAFETY: a slot begins with this header.
        unsafe { ring.slot(slot).cast::<libc::tpacket2_hdr>().write(header) };
        let at = ring.slot(slot).wrapping_add(usize::from(begin).min(SLOT - 1));
        // SAFETY: it is within the slot.
        unsafe { at.write(byte) };
    }

    #[test]
    fn a_new_reader_starts_with_the_earliest_frame() {
        let mut ring = ring();
        assert_eq!(ring.take(), None);
        for (slot, second) in [(SLOTS - 2, 5), (SLOTS - 1, 6), (0, 7), (1, 8)] {
            fill(&ring, slot, second, (66, 1), second.to_le_bytes()[0]);
        }
        for byte in 5..=8 {
            assert_eq!(ring.take(), Some(&[byte][..]));
        }
        assert_eq!(ring.take(), None);
    }

    #[test]
    fn a_slot_that_makes_no_sense_is_skipped() {
        let mut ring = ring();
        let wild = [(0, 8), (31, 8), (66, 959), (u16::MAX, 1), (66, u32::MAX), (1024, 1)];
        for (slot, place) in wild.into_iter().enumerate() {
            fill(&ring, slot, 1, place, 1);
        }
        fill(&ring, wild.len(), 1, (66, 958), 9);
        let frame = ring.take().unwrap();
        assert_eq!((frame[0], frame.len()), (9, 958));
        assert_eq!(ring.take(), None);
    }
}
