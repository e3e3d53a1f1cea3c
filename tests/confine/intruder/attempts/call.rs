//! Bare system calls, for code that plays the intruder in tests.

use std::ffi::{CStr, c_int, c_long};

use nix::errno::Errno;
use nix::libc;

/// One argument of a call.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// A number, a flag or a descriptor, in all 64 bits.
    Number(i64),
    /// A string.
    Text(&'static CStr),
    /// The address of a page of zeros, which the kernel may write to.
    Page,
}

/// A page of its own.
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// Makes a system call. What it returns is not looked at. In a child that it
/// made, it never returns.
///
/// # Errors
/// The kernel's answer.
pub fn call(number: c_long, arguments: &[Argument]) -> Result<(), Errno> {
    let mut page = Page([0; 4096]);
    let mut words = [0_i64; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match argument {
            Argument::Number(number) => *number,
            Argument::Text(text) => text.as_ptr().expose_provenance() as i64,
            Argument::Page => page.0.as_mut_ptr().expose_provenance() as i64,
        };
    }
    let [a, b, c, d, e, f] = words;
    let own = std::process::id();
    // SAFETY: the pointers among the arguments are to strings, and to a page
    // that outlives the call. What else a call would do to this process is
    // what its caller, a test, wants to see denied.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == 0 && std::process::id() != own {
        let done: c_int = 0;
        // SAFETY: a child has nothing to do, and nothing to clean up.
        unsafe { libc::_exit(done) };
    }
    if result == -1 { Err(Errno::last()) } else { Ok(()) }
}
