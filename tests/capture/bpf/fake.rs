//! A bpf made for tests, by numbers of its own.

use std::io;

use knockd::ioctl::layout::Request;
use knockd::ioctl::{Device, is_contained};
use nix::libc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    FreeBsd,
    FreeBsd32,
    FreeBsdI386,
    OpenBsd,
    MacOs,
}

impl System {
    pub const ALL: [Self; 5] =
        [Self::FreeBsd, Self::FreeBsd32, Self::FreeBsdI386, Self::OpenBsd, Self::MacOs];

    /// Offset of the captured length, that of the real one after it, then the
    /// header's; the least such header; the alignment of records.
    fn record(self) -> (usize, usize, usize) {
        match self {
            Self::FreeBsd => (16, 26, 8),
            Self::FreeBsd32 => (16, 26, 4),
            Self::FreeBsdI386 | Self::MacOs => (8, 18, 4),
            Self::OpenBsd => (8, 28, 4),
        }
    }

    /// One record as `catchpacket` of the system writes it: the header is as
    /// long as puts the network header, behind `link` bytes, on a boundary.
    pub fn write(self, buffer: &mut Vec<u8>, packet: &[u8], length: usize, link: usize) {
        let (captured_at, least, alignment) = self.record();
        buffer.resize(buffer.len().next_multiple_of(alignment), 0xa5);
        let header = (least + link).next_multiple_of(alignment) - link;
        let start = buffer.len();
        buffer.resize(start + header, 0xee);
        for (offset, number) in [(0, packet.len()), (4, length)] {
            let at = start + captured_at + offset;
            buffer[at..at + 4].copy_from_slice(&(number as u32).to_ne_bytes());
        }
        let at = start + captured_at + 8;
        buffer[at..at + 2].copy_from_slice(&(header as u16).to_ne_bytes());
        buffer.extend_from_slice(packet);
    }
}

/// A descriptor fresh from /dev/bpf.
pub struct Bpf {
    pub system: System,
    /// The one interface there is, and its link type.
    pub interface: (&'static str, u32),
    pub attached: bool,
    pub locked: bool,
    pub immediate: bool,
    pub buffer: u32,
    pub most: u32,
    /// Instructions, for reading and for writing, eight bytes each.
    pub filter: Option<Vec<u8>>,
    pub write_filter: Option<Vec<u8>>,
    /// What the request for directions was given.
    pub direction: Option<u32>,
    /// Whether a packet could have passed that the final filter rejects.
    pub leaked: bool,
    pub dropped: u32,
}

impl Bpf {
    pub fn new(system: System, link: u32) -> Self {
        Self {
            system,
            interface: ("em0", link),
            attached: false,
            locked: false,
            immediate: false,
            buffer: 4096,
            most: 1 << 20,
            filter: None,
            write_filter: None,
            direction: None,
            leaked: false,
            dropped: 0,
        }
    }

    fn dispatch(&mut self, number: u32, bytes: &mut [u8], memory: &[u8]) -> io::Result<()> {
        use System::{FreeBsd, FreeBsd32, FreeBsdI386, MacOs, OpenBsd};
        let value = bytes.first_chunk().map_or(0, |value| u32::from_ne_bytes(*value));
        match (number, self.system) {
            (0xc004_4266, _) if self.attached => return fail(libc::EINVAL),
            (0xc004_4266, _) => {
                self.buffer = value.min(self.most);
                bytes.copy_from_slice(&self.buffer.to_ne_bytes());
            }
            (0x4004_4266, _) => bytes.copy_from_slice(&self.buffer.to_ne_bytes()),
            (0x8010_4267, FreeBsd | OpenBsd | MacOs)
            | (0x8008_4267, FreeBsd32 | FreeBsdI386) => self.filter = Some(memory.to_vec()),
            (0x8020_426c, _) => self.attach(bytes)?,
            (0x4004_426a, _) => bytes.copy_from_slice(&self.interface.1.to_ne_bytes()),
            (0x8004_4270, _) => self.immediate = value != 0,
            (0x4008_426f, _) => bytes[4..].copy_from_slice(&self.dropped.to_ne_bytes()),
            // 119 is three requests, by system; 118 as well.
            (0x8004_4277, FreeBsd | FreeBsd32 | FreeBsdI386 | MacOs)
            | (0x8004_427d, OpenBsd) => self.direction = Some(value),
            (0x8010_427b, FreeBsd)
            | (0x8008_427b, FreeBsd32 | FreeBsdI386)
            | (0x8010_4277, OpenBsd) => self.write_filter = Some(memory.to_vec()),
            (0x2000_427a, FreeBsd | FreeBsd32 | FreeBsdI386) | (0x2000_4276, OpenBsd) => {
                self.locked = true;
            }
            _ => return fail(libc::ENOTTY),
        }
        Ok(())
    }

    fn attach(&mut self, ifreq: &[u8]) -> io::Result<()> {
        let name = ifreq[..16].split(|byte| *byte == 0).next().unwrap();
        if name != self.interface.0.as_bytes() {
            return fail(libc::ENXIO);
        }
        self.attached = true;
        // Packets come from here on: only a filter that rejects them all keeps
        // those out that came before the real one.
        self.leaked = self.filter.as_deref() != Some(&REJECT[..]);
        Ok(())
    }
}

/// `ret #0`.
pub const REJECT: [u8; 8] = if cfg!(target_endian = "little") {
    [6, 0, 0, 0, 0, 0, 0, 0]
} else {
    [0, 6, 0, 0, 0, 0, 0, 0]
};

fn fail(errno: i32) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(errno))
}

impl Device for Bpf {
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()> {
        assert!(is_contained(request, argument, memory), "{request:?}");
        assert!(!self.locked || request.number & 0x4000_0000 != 0, "locked: {request:?}");
        self.dispatch(request.number, argument, memory)
    }
}
