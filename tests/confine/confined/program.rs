//! A program in the engine's place, with the test in the keeper's.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use knockd::config;
use knockd::core::link::Link;
use knockd::core::replay::Barrier;
use knockd::core::time::Wall;
use knockd::message::channel::Channel;
use knockd::message::engine::ToEngine;
use knockd::message::packet::MAX_BLOB;
use knockd::process::Role;
use knockd::sys::confine::{Account, empty_directory};

use super::{Captured, MEGABYTES};
use crate::net::{Lab, PATIENCE, Plan};

/// Gives an engine all that a keeper gives, and has it try everything in place
/// of its work. Returns the lines that it says.
pub fn taken_over(lab: &Lab, capture: &Captured) -> Vec<String> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_intruder"));
    command.arg0(Role::Engine.name()).env("KNOCKD_HOSTILE", "attempts");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
    let mut engine = command.spawn().unwrap();
    // It holds the engine's end, too: the lines would never end.
    drop(command);

    let lines = BufReader::new(ours.try_clone().unwrap()).lines();
    let mut channel = Channel::new(ours, MAX_BLOB);
    let nobody = Account::named("nobody").unwrap();
    let config = config::load(&Plan::default().furnish(lab)).unwrap();
    let start = ToEngine::Start {
        foreground: true,
        verbose: false,
        megabytes: MEGABYTES,
        account: Some((nobody.uid.as_raw(), nobody.gid.as_raw())),
        barrier: Barrier { forgotten: Wall::default(), loss: None },
        files: config.files.encode(),
        cell: empty_directory(lab.files.path()).unwrap().display().to_string(),
    };
    channel.send(&start, None).unwrap();
    let handout =
        ToEngine::Capture { id: 1, index: capture.index, link: Link::Ethernet, buffer: 0 };
    channel.send(&handout, Some(capture.fd().try_clone_to_owned().unwrap())).unwrap();
    let said = lines.map(Result::unwrap).collect();
    assert!(engine.wait().unwrap().success());
    said
}
