//! A kernel's pf made for tests: it takes the bytes that the real one takes,
//! by numbers of its own, and answers as the real one was seen or read to.
//!
//! It is stricter in one point: where OpenBSD would sleep for ever with every
//! other request waiting behind it, it panics.

mod nv;
mod states;
mod store;
mod tables;

use std::io;

use knockd::ioctl::layout::Request;
use knockd::ioctl::{Device, is_contained};
use nix::libc;

pub use states::State;
use store::Tables;
pub use store::{Flags, key};

/// Whose pf it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    FreeBsd12,
    FreeBsd13,
    FreeBsd15,
    OpenBsd,
    MacOs,
}

impl System {
    pub const ALL: [Self; 5] =
        [Self::FreeBsd12, Self::FreeBsd13, Self::FreeBsd15, Self::OpenBsd, Self::MacOs];

    pub fn is_freebsd(self) -> bool {
        matches!(self, Self::FreeBsd12 | Self::FreeBsd13 | Self::FreeBsd15)
    }

    pub fn inet6(self) -> u8 {
        match self {
            Self::OpenBsd => 24,
            Self::MacOs => 30,
            _ => 28,
        }
    }
}

pub struct Kernel {
    pub system: System,
    pub tables: Tables,
    pub states: Vec<State>,
    /// Interfaces, and whether pf skips them.
    pub interfaces: Vec<(String, bool)>,
    pub running: bool,
    /// References to a running pf, on macOS.
    pub tokens: Vec<u64>,
    pub writable: bool,
    pub is_root: bool,
    /// Whether the securelevel forbids changes to the rules.
    pub secure: bool,
    /// `net.pf.request_maxcount`.
    pub max_count: usize,
    /// Runs before each request, as other programs do between two of ours.
    pub meanwhile: Option<fn(&mut Tables)>,
    /// How many requests were made.
    pub requests: usize,
}

impl Kernel {
    pub fn new(system: System) -> Self {
        Self {
            system,
            tables: Tables::new(200_000),
            states: Vec::new(),
            interfaces: Vec::new(),
            running: true,
            tokens: Vec::new(),
            writable: true,
            is_root: true,
            secure: false,
            max_count: 65_535,
            meanwhile: None,
            requests: 0,
        }
    }

    /// What the real one asks before it looks at a request.
    fn admit(&self, number: u32) -> io::Result<()> {
        let reads_only = matches!(number & 0xff, 21 | 39 | 63 | 64 | 70 | 71 | 73 | 87);
        let changes_rules = matches!(number & 0xff, 1 | 8 | 9 | 41 | 60 | 61 | 62 | 74 | 81);
        if self.system == System::MacOs && !self.is_root {
            return fail(libc::EPERM);
        }
        if self.secure && changes_rules {
            return fail(libc::EPERM);
        }
        if !self.writable && !reads_only {
            return fail(libc::EACCES);
        }
        Ok(())
    }

    fn dispatch(&mut self, number: u32, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
        let system = self.system;
        match (number, system) {
            (0xc450_443d, _) => tables::create(self, bytes, memory),
            (0xc450_443f, _) => tables::list_tables(self, bytes, memory),
            (0xc450_4440, _) => tables::count_tables(self, bytes, memory),
            (0xc450_4443, _) => tables::add(self, bytes, memory),
            (0xc450_4444, _) => tables::delete(self, bytes, memory),
            (0xc450_4446, _) => tables::list(self, bytes, memory),
            (0xc450_4449, _) => tables::test(self, bytes, memory),
            (0xc008_4427, System::OpenBsd) => tables::limit(self, bytes),
            (0xc028_4457, _) => self.list_interfaces(bytes, memory),
            (0xc1a0_4415, System::FreeBsd12 | System::FreeBsd13) => self.status(bytes, 360),
            (0xc208_4415, System::OpenBsd) => self.status(bytes, 448),
            (0xc1b8_4415, System::MacOs) => self.status(bytes, 376),
            (0xc018_4415, System::FreeBsd13 | System::FreeBsd15) => {
                nv::answer(bytes, memory, &nv::status(self.running))
            }
            (0xc018_4429, System::FreeBsd13 | System::FreeBsd15) => {
                states::kill_by_list(self, bytes, memory)
            }
            (0xc0e0_4429, System::FreeBsd12 | System::FreeBsd13) => states::kill(self, bytes),
            (0xc0e0_4429, System::OpenBsd) => states::kill(self, bytes),
            (0xc0d8_4429, System::MacOs) => states::kill_on_macos(self, bytes),
            (0x4008_4408, System::MacOs) => self.start_reference(bytes),
            (0xc010_4409, System::MacOs) => self.stop_reference(bytes),
            _ => fail(libc::ENODEV),
        }
    }

    fn status(&self, bytes: &mut [u8], running: usize) -> io::Result<()> {
        put32(bytes, running, u32::from(self.running));
        Ok(())
    }

    fn list_interfaces(&self, bytes: &mut [u8], memory: &mut [u8]) -> io::Result<()> {
        let (size, flags) = match self.system {
            System::OpenBsd => (256, 184),
            System::MacOs => (168, 152),
            // Two of three links of a red-black tree, and its colour, later.
            System::FreeBsd12 => (224, 180),
            _ => (216, 172),
        };
        if get32(bytes, 24) as usize != size {
            return fail(libc::ENODEV);
        }
        let room = get32(bytes, 28) as usize;
        for ((name, skipped), place) in self.interfaces.iter().zip(memory.chunks_mut(size)) {
            place[..name.len()].copy_from_slice(name.as_bytes());
            put32(place, flags, if *skipped { 0x100 } else { 0 });
        }
        // OpenBSD stops when the room is used up, and says no more than that.
        let count = self.interfaces.len();
        let named = if self.system == System::OpenBsd { count.min(room) } else { count };
        put32(bytes, 28, named as u32);
        Ok(())
    }

    fn start_reference(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let token = 0x1122_3344_5566_0000 + self.tokens.len() as u64;
        self.tokens.push(token);
        self.running = true;
        bytes.copy_from_slice(&token.to_ne_bytes());
        Ok(())
    }

    fn stop_reference(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let token = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
        if !self.running {
            return fail(libc::ENOENT);
        }
        let Some(place) = self.tokens.iter().position(|known| *known == token) else {
            return fail(libc::EINVAL);
        };
        self.tokens.remove(place);
        self.running = !self.tokens.is_empty();
        bytes[8..].copy_from_slice(&(self.tokens.len() as u64).to_ne_bytes());
        Ok(())
    }
}

impl Device for &mut Kernel {
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()> {
        assert!(is_contained(request, argument, memory), "{request:?}");
        if let Some(meanwhile) = self.meanwhile {
            meanwhile(&mut self.tables);
        }
        self.requests += 1;
        self.admit(request.number)?;
        // On an error nothing is copied out of the argument.
        let mut copy = argument.to_vec();
        self.dispatch(request.number, &mut copy, memory)?;
        argument.copy_from_slice(&copy);
        Ok(())
    }
}

pub fn fail<T>(errno: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno))
}

pub fn get32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

pub fn put32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
}
