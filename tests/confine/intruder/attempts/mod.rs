//! Everything that a confined engine must not be able to do.

#[cfg(not(target_os = "linux"))]
mod bsd;
#[cfg(target_os = "linux")]
mod call;
#[cfg(target_os = "linux")]
mod linux;

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

#[cfg(not(target_os = "linux"))]
use bsd::each;
#[cfg(target_os = "linux")]
use linux::each;

/// An attempt's name, and what came of it.
type Attempt = (&'static str, Result<(), Errno>);

/// To be called after confinement, with the channel and a capture descriptor.
/// Writes one line per attempt, `NAME denied ERRNO` or `NAME POSSIBLE`, and
/// `done` in the end.
pub fn run(channel: BorrowedFd<'_>, capture: BorrowedFd<'_>) -> ! {
    let say = |line: String| {
        let mut rest = line.as_bytes();
        while let Ok(written @ 1..) = nix::unistd::write(channel, rest) {
            rest = rest.get(written..).unwrap_or_default();
        }
    };
    each(capture, |(name, outcome): Attempt| match outcome {
        Ok(()) => say(format!("{name} POSSIBLE\n")),
        Err(errno) => say(format!("{name} denied {}\n", errno as i32)),
    });
    say("done\n".to_owned());
    std::process::exit(0)
}
