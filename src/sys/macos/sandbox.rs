//! Groups and the sandbox.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::ptr;

use nix::libc;

unsafe extern "C" {
    /// sandbox_init(3). Its manual calls it deprecated, but browsers still use it.
    /// Flags 0: the profile is source text.
    fn sandbox_init(profile: *const c_char, flags: u64, error: *mut *mut c_char) -> c_int;
    /// sandbox_free_error(3)
    fn sandbox_free_error(error: *mut c_char);
}

/// The most descriptors that a process may have by default (`OPEN_MAX` in
/// sys/syslimits.h).
const OPEN_MAX: c_int = 10240;

/// Closes all descriptors from `first` on.
///
/// # Safety
/// Nothing owns one of them.
pub unsafe fn closefrom(first: c_int) {
    for number in first..OPEN_MAX {
        // SAFETY: nothing owns it, as the caller promises.
        unsafe { libc::close(number) };
    }
}

/// Forbids new processes (`RLIMIT_NPROC` of setrlimit(2)). The limit does not apply
/// to root.
///
/// # Errors
/// None are expected.
pub fn forbid_processes() -> io::Result<()> {
    forbid(libc::RLIMIT_NPROC)
}

/// Forbids to lock memory (`RLIMIT_MEMLOCK`).
///
/// # Errors
/// None are expected.
pub fn forbid_locks() -> io::Result<()> {
    forbid(libc::RLIMIT_MEMLOCK)
}

/// Limits a resource to nothing.
fn forbid(resource: c_int) -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads one structure.
    let result = unsafe { libc::setrlimit(resource, &raw const none) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Loads the library of the sandbox, while its file is visible.
pub fn load_sandbox() {
    // SAFETY: a library of the system may run its own code.
    let _ = unsafe { libc::dlopen(c"/usr/lib/libsandbox.1.dylib".as_ptr(), libc::RTLD_NOW) };
}

/// Enters the sandbox that `profile` describes.
///
/// # Errors
/// What is wrong with the profile.
pub fn sandbox(profile: &CStr) -> io::Result<()> {
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: `profile` ends with a zero byte; `error` has room for one pointer.
    let result = unsafe { sandbox_init(profile.as_ptr(), 0, &raw mut error) };
    if result == 0 {
        return Ok(());
    }
    if error.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is not null, so it points to a string that ends with a zero byte.
    let text = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
    // SAFETY: it is what sandbox_init returned, and it is not used any more.
    unsafe { sandbox_free_error(error) };
    Err(io::Error::other(text))
}

/// Sets the only additional group (setgroups(2)).
///
/// # Errors
/// `EPERM` without root's rights.
pub fn set_group(group: libc::gid_t) -> io::Result<()> {
    // SAFETY: the kernel reads one group.
    let result = unsafe { libc::setgroups(1, &raw const group) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns all groups of the process (getgroups(2)).
///
/// # Errors
/// None are expected.
pub fn groups() -> io::Result<Vec<libc::gid_t>> {
    let mut groups: [libc::gid_t; 64] = [0; 64];
    // SAFETY: there is room for 64 groups; the kernel knows 16.
    let count = unsafe { libc::getgroups(64, groups.as_mut_ptr()) };
    match usize::try_from(count) {
        Ok(count) => Ok(groups.iter().take(count).copied().collect()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
