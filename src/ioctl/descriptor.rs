//! An open device. Only this file of pf and bpf has `unsafe`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;

use super::layout::{Pointer, Request};
use super::{Device, is_contained};

/// A descriptor that takes requests.
#[derive(Debug)]
pub struct Descriptor(pub File);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The most bytes that any of our requests carries in its argument.
const MAX_ARGUMENT: usize = 2048;

/// An argument aligned as the kernel's structures are.
#[repr(C, align(8))]
struct Aligned([u8; MAX_ARGUMENT]);

impl Device for Descriptor {
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()> {
        let mut aligned = Aligned([0; MAX_ARGUMENT]);
        let room = aligned.0.get_mut(..argument.len());
        let Some(place) = room.filter(|_| is_contained(request, argument, memory)) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        place.copy_from_slice(argument);
        if let Pointer::Elements { at, .. }
        | Pointer::Items { at, .. }
        | Pointer::Bytes { at, .. } = request.pointer
        {
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
    use super::super::layout::{IN_OUT, number};
    use super::*;

    const REQUEST: Request = Request {
        name: "DIOCGETSTATUS",
        number: number(IN_OUT, b'D', 21, 416),
        pointer: Pointer::Nowhere,
    };

    #[test]
    fn what_is_not_pf_does_not_know_its_requests() {
        let mut device = Descriptor(File::open("/dev/null").unwrap());
        let error = device.ioctl(&REQUEST, &mut [0; 416], &mut []).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }

    #[test]
    fn an_argument_of_the_wrong_length_is_refused_before_the_system_sees_it() {
        let mut device = Descriptor(File::open("/dev/null").unwrap());
        for length in [0, 415, 417, 5000] {
            let mut argument = vec![0; length];
            let error = device.ioctl(&REQUEST, &mut argument, &mut []).unwrap_err();
            assert_eq!(error.raw_os_error(), None);
        }
    }
}
