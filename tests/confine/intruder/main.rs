//! The engine as an intruder would want it. `KNOCKD_ENGINE` puts this program
//! in an engine's place: it confines itself as that does, and then does what
//! `KNOCKD_HOSTILE` says: `attempts`, or a lie to the keeper by its name.

mod attempts;
mod claims;
mod stream;

use std::io::Stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use knockd::config;
use knockd::core::policy::Policy;
use knockd::message::channel::{Broken, Channel};
use knockd::message::engine::{FromEngine, ToEngine};
use knockd::process::Role;
use knockd::process::engine::Confined;
use knockd::{process, sys};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

fn main() -> ExitCode {
    let Ok(deed) = std::env::var("KNOCKD_HOSTILE") else { return ExitCode::FAILURE };
    if process::begin(Role::Engine).is_err() {
        return ExitCode::FAILURE;
    }
    match Confined::new().and_then(|confined| live(confined, &deed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Does it with all that an engine is given.
fn live(confined: Confined, deed: &str) -> Result<(), Broken> {
    let Confined { mut channel, files, .. } = confined;
    let _: ToEngine = channel.wait()?;
    let capture = channel.descriptor().ok_or(Broken::Senseless)?;
    if deed == "attempts" {
        attempts::run(channel.as_fd(), capture.as_fd());
    }
    let config = config::parse_files(&files).map_err(|_| Broken::Senseless)?;
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
