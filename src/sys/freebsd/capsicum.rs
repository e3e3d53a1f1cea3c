//! capsicum(4).

use std::ffi::{c_int, c_ulong};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// The rights of a descriptor (`CAP_` constants of rights(4)), and the ioctls that
/// it is limited to if it has `CAP_IOCTL`.
pub type Rights<'a> = (&'a [u64], Option<&'a [c_ulong]>);

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Enters capability mode, without paths, addresses and process ids.
///
/// # Errors
/// `ENOSYS` when the kernel was built without it.
pub fn enter_capability_mode() -> io::Result<()> {
    // SAFETY: it takes nothing.
    check(unsafe { libc::cap_enter() })
}

/// Removes all other rights from a descriptor, for good.
///
/// # Errors
/// `ENOTCAPABLE` when it does not have all of these.
pub fn limit(descriptor: BorrowedFd<'_>, (rights, ioctls): Rights<'_>) -> io::Result<()> {
    let mut set = MaybeUninit::<libc::cap_rights_t>::uninit();
    // SAFETY: it writes to all of `set`; a zero ends the list of rights.
    unsafe { libc::__cap_rights_init(libc::CAP_RIGHTS_VERSION, set.as_mut_ptr(), 0_u64) };
    for right in rights {
        // SAFETY: `set` was initialised above; a zero ends the list of rights.
        unsafe { libc::__cap_rights_set(set.as_mut_ptr(), *right, 0_u64) };
    }
    let number = descriptor.as_raw_fd();
    // SAFETY: `set` was initialised above, and the kernel only reads it.
    check(unsafe { libc::cap_rights_limit(number, set.as_ptr()) })?;
    let Some(ioctls) = ioctls else { return Ok(()) };
    // SAFETY: the kernel reads as many numbers as `ioctls` has.
    check(unsafe { libc::cap_ioctls_limit(number, ioctls.as_ptr(), ioctls.len()) })
}
