//! The engine as an intruder would want it: tries everything that it must not
//! be able to do, or tells the keeper what no engine tells. For tests only.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "no part of the daemon")]

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod attempts;
#[cfg(not(target_os = "linux"))]
#[path = "bsd.rs"]
mod attempts;
mod claims;
mod stream;

use std::fs::OpenOptions;
use std::io::Stdin;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::config::{self, Files};
use crate::core::policy::Policy;
use crate::message::channel::{Broken, Channel};
use crate::message::engine::{FromEngine, ToEngine};
use crate::sys;

/// An attempt's name, and what came of it.
type Attempt = (&'static str, Result<(), Errno>);

/// What `KNOCKD_HOSTILE` asks this process to do in place of an engine's
/// work: `attempts`, or the name of a lie. If `KNOCKD_HOSTILE_ONCE` names a
/// file, only the process that makes it does so. To be asked before
/// confinement.
pub fn wanted() -> Option<String> {
    let deed = std::env::var("KNOCKD_HOSTILE").ok()?;
    if let Ok(path) = std::env::var("KNOCKD_HOSTILE_ONCE") {
        OpenOptions::new().write(true).create_new(true).open(path).ok()?;
    }
    Some(deed)
}

/// Does it, after confinement, with all that an engine is given; then ends.
pub fn live(mut channel: Channel<Stdin>, files: &Files, deed: &str) -> Result<(), Broken> {
    let _: ToEngine = channel.wait()?;
    let capture = channel.descriptor().ok_or(Broken::Senseless)?;
    if deed == "attempts" {
        run(channel.as_fd(), capture.as_fd());
    }
    let config = config::parse_files(files).map_err(|_| Broken::Senseless)?;
    channel.send(&FromEngine::Serving, None)?;
    // The first packet is the sign to begin. It stays for the next engine.
    let mut packet = [PollFd::new(capture.as_fd(), PollFlags::POLLIN)];
    poll(&mut packet, PollTimeout::NONE).map_err(std::io::Error::from)?;
    lie(&mut channel, &config.policy, capture, deed)
}

fn lie(
    channel: &mut Channel<Stdin>,
    policy: &Policy,
    capture: OwnedFd,
    deed: &str,
) -> Result<(), Broken> {
    let now = sys::now()?;
    if let Some(messages) = claims::of(deed, policy, now) {
        for message in messages {
            channel.queue(&message, None)?;
            channel.finish(PollTimeout::NONE)?;
        }
        return Ok(());
    }
    stream::send(channel.as_fd(), &capture, deed, &claims::good(policy, now))
}

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
    attempts::each(capture, |(name, outcome): Attempt| match outcome {
        Ok(()) => say(format!("{name} POSSIBLE\n")),
        Err(errno) => say(format!("{name} denied {}\n", errno as i32)),
    });
    say("done\n".to_owned());
    std::process::exit(0)
}
