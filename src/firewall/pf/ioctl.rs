//! /dev/pf itself: the one file of the firewall with `unsafe`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use super::device::{self, Device};
use super::layout::{Pointer, Request};

/// An open /dev/pf.
#[derive(Debug)]
pub struct DevPf(File);

impl DevPf {
    /// Opens `path` for reading and writing, closed on exec.
    ///
    /// # Errors
    /// As open(2): without pf in the kernel there is no such device.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC)
            .open(path)
            .map(Self)
    }
}

/// The most bytes that any of our requests carries in its argument.
const MAX_ARGUMENT: usize = 2048;

/// An argument aligned as the kernel's structures are.
#[repr(C, align(8))]
struct Aligned([u8; MAX_ARGUMENT]);

impl Device for DevPf {
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()> {
        let mut aligned = Aligned([0; MAX_ARGUMENT]);
        let room = aligned.0.get_mut(..argument.len());
        let Some(place) = room.filter(|_| device::is_contained(request, argument, memory))
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        place.copy_from_slice(argument);
        if let Pointer::Elements { at, .. } | Pointer::Bytes { at, .. } = request.pointer {
            if at.size != size_of::<usize>() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            at.put(place, memory.as_mut_ptr().expose_provenance() as u64);
        }
        // SAFETY: the kernel copies `request.length()` bytes in and out, which
        // is the length of the argument and fits `aligned`; by the one pointer
        // in it, it reads and writes at most what the argument announces, and
        // that was found to lie within `memory`, borrowed until it returns.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                request.number.into_request(),
                aligned.0.as_mut_ptr(),
            )
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        argument.copy_from_slice(&aligned.0[..argument.len()]);
        Ok(())
    }
}

/// The second argument of ioctl(2), whose type differs between C libraries.
trait IntoRequest<T> {
    fn into_request(self) -> T;
}

impl IntoRequest<libc::c_ulong> for u32 {
    fn into_request(self) -> libc::c_ulong {
        self.into()
    }
}

impl IntoRequest<libc::c_int> for u32 {
    fn into_request(self) -> libc::c_int {
        libc::c_int::from_ne_bytes(self.to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::freebsd;
    use super::*;

    #[test]
    fn what_is_not_pf_does_not_know_its_requests() {
        let mut device = DevPf::open(Path::new("/dev/null")).unwrap();
        let error = device.ioctl(&freebsd::DIOCGETSTATUS, &mut [0; 416], &mut []).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }

    #[test]
    fn an_argument_of_the_wrong_length_is_refused_before_the_system_sees_it() {
        let mut device = DevPf::open(Path::new("/dev/null")).unwrap();
        for length in [0, 415, 417, 5000] {
            let mut argument = vec![0; length];
            let error =
                device.ioctl(&freebsd::DIOCGETSTATUS, &mut argument, &mut []).unwrap_err();
            assert_eq!(error.raw_os_error(), None);
        }
    }
}
