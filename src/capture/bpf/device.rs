//! Opens bpf descriptors, and reads packets and counters from them.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use super::abi::{Abi, Devices};
use super::attach;
use super::records::Records;
use crate::capture::filter::Program;
use crate::core::link::Link;
use crate::ioctl::Descriptor;

/// The most devices that macOS makes.
const MAX_DEVICES: u16 = 256;

/// Opens a bpf descriptor and makes it ready; it never blocks and is closed
/// on exec. See [`attach::attach`].
///
/// # Errors
/// Those of [`attach::attach`]; `EBUSY` when all of macOS's devices are taken, `EACCES` without
/// the right to open them.
pub fn open(
    abi: &Abi,
    name: &str,
    loopback: bool,
    compile: impl FnOnce(Link) -> Program,
) -> io::Result<(OwnedFd, Link)> {
    let mut device = Descriptor(open_device(abi.devices)?);
    let link = attach::attach(&mut device, abi, name, loopback, compile)?;
    Ok((device.0.into(), link))
}

fn open_device(devices: Devices) -> io::Result<File> {
    // For reading only, so that nothing can be sent.
    let open = |path: &str| {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    match devices {
        Devices::Cloning(path) => open(path),
        Devices::Numbered(prefix) => {
            for number in 0..MAX_DEVICES {
                match open(&format!("{prefix}{number}")) {
                    Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                    opened => return opened,
                }
            }
            Err(io::Error::from_raw_os_error(libc::EBUSY))
        }
    }
}

/// An attached descriptor. Another process reads its packets, this one its counters.
#[derive(Debug)]
pub struct Counter {
    abi: &'static Abi,
    device: Descriptor,
    /// The kernel's last count of drops, modulo 2^32, and their sum.
    counted: u32,
    dropped: u64,
}

impl Counter {
    /// Reads the counters of a descriptor that [`open`] made.
    #[must_use]
    pub fn new(abi: &'static Abi, fd: OwnedFd) -> Self {
        Self { abi, device: Descriptor(fd.into()), counted: 0, dropped: 0 }
    }

    /// Returns the size of the kernel's buffer.
    ///
    /// # Errors
    /// When it is not a descriptor of bpf.
    pub fn buffer_length(&mut self) -> io::Result<u32> {
        let length = attach::buffer_length(&mut self.device, self.abi)?;
        u32::try_from(length).map_err(io::Error::other)
    }

    /// Returns how many packets were dropped since the descriptor was opened because
    /// they were not read in time.
    pub fn dropped(&mut self) -> u64 {
        if let Ok(counted) = attach::dropped(&mut self.device, self.abi) {
            let more = counted.wrapping_sub(self.counted);
            self.counted = counted;
            self.dropped = self.dropped.saturating_add(more.into());
        }
        self.dropped
    }
}

impl AsFd for Counter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// An attached descriptor, perhaps of another process, and a buffer.
#[derive(Debug)]
pub struct Reader {
    abi: &'static Abi,
    file: File,
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads from `fd`, whose kernel buffer has `length` bytes.
    #[must_use]
    pub fn new(abi: &'static Abi, fd: OwnedFd, length: u32) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Self { abi, file: fd.into(), buffer: vec![0; length] }
    }

    /// Reads packets that have arrived: `budget`, and those after them in the same
    /// buffer, because the descriptor does not become readable for these. Returns
    /// how many.
    ///
    /// # Errors
    /// `ENXIO` or `EIO` when the interface is gone.
    pub fn read(&mut self, budget: usize, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut packets = 0;
        while packets < budget {
            let filled = self.fill()?;
            if filled == 0 {
                break;
            }
            let filled = self.buffer.get(..filled).unwrap_or_default();
            for captured in Records::new(self.abi.record, filled) {
                each(captured.bytes);
                packets += 1;
            }
        }
        Ok(packets)
    }

    /// Reads one buffer, 0 bytes when no packet has arrived.
    fn fill(&mut self) -> io::Result<usize> {
        loop {
            // bpf refuses a read of any other length than its buffer's.
            match self.file.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                result => return result,
            }
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
