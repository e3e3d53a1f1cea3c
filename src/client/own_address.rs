//! The address that others see, from the user or from a command.
#![forbid(unsafe_code)]

use std::io::Read;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::ClientError;
use crate::core::address::{self, Loopback};

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest output that is read; an address needs 45 bytes.
const MAX_LENGTH: usize = 256;

/// Parses the address of a host.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!("invalid address {text:?}, write it like 192.0.2.7 or 2001:db8::7")
    })?;
    address::host(address, Loopback::Allowed)
        .ok_or_else(|| format!("{address} is not the address of a host"))
}

/// Runs `command` in the shell; its first line is the address.
///
/// # Errors
/// When it fails, takes more than 10 s, or prints anything else.
pub fn ask(command: &str) -> Result<IpAddr, ClientError> {
    let failed = |why: String| ClientError::new(format!("cannot use {command:?}: {why}"));
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // So that all that it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let line = first_line(&mut child, Instant::now() + PATIENCE);
    // With its output closed it has no more to say, and may go on for long; or
    // it has ended by itself, which then is its status.
    drop(child.stdout.take());
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let line = line.map_err(failed)?;
    if line.is_empty() && status.code().is_some_and(|code| code != 0) {
        return Err(failed(status.to_string()));
    }
    parse(&line).map_err(failed)
}

fn first_line(child: &mut Child, deadline: Instant) -> Result<String, String> {
    let mut output = child.stdout.take().ok_or("it has no output")?;
    let mut bytes = Vec::new();
    let line = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => break Err(format!("no answer within {} s", PATIENCE.as_secs())),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => break Err(error.to_string()),
        }
        let mut piece = [0; MAX_LENGTH];
        let length = output.read(&mut piece).map_err(|error| error.to_string())?;
        bytes.extend_from_slice(&piece[..length]);
        if length == 0 || bytes.contains(&b'\n') || bytes.len() > MAX_LENGTH {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            break Ok(String::from_utf8_lossy(line).trim().to_owned());
        }
    };
    child.stdout = Some(output);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_address() {
        assert_eq!(ask("echo 192.0.2.7; echo more"), Ok("192.0.2.7".parse().unwrap()));
        assert_eq!(ask("printf ' 2001:db8::7 '"), Ok("2001:db8::7".parse().unwrap()));
    }

    #[test]
    fn a_command_that_goes_on_is_not_waited_for() {
        let begin = Instant::now();
        assert_eq!(ask("echo 192.0.2.7; exec sleep 60"), Ok("192.0.2.7".parse().unwrap()));
        for command in ["echo; exec sleep 60", "exec >&-; exec sleep 60"] {
            let error = ask(command).unwrap_err().to_string();
            assert!(error.contains("invalid address"), "{command}: {error}");
        }
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_the_command_started_ends_with_it() {
        let mut pipe = std::io::pipe().unwrap();
        let write = nix::unistd::dup(&pipe.1).unwrap();
        drop(pipe.1);
        let fd = std::os::fd::AsRawFd::as_raw_fd(&write);
        let path = format!("/proc/{}/fd/{fd}", std::process::id());
        if !std::path::Path::new(&path).exists() {
            return;
        }
        let command = format!("exec 9>{path}; sleep 60 | cat & echo 192.0.2.7; wait");
        assert!(ask(&command).is_ok());
        drop(write);
        // The end comes when nobody holds the other end any more.
        let begin = Instant::now();
        assert_eq!(pipe.0.read(&mut [0; 1]).unwrap(), 0);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_is_no_address_is_an_error_that_says_why() {
        for (command, why) in [
            ("exit 3", "exit status: 3"),
            ("echo", "invalid address"),
            ("echo gw1", "invalid address"),
            ("echo 224.0.0.1", "not the address of a host"),
            ("yes 1 | tr -d '\\n'", "invalid address"),
        ] {
            let error = ask(command).unwrap_err().to_string();
            assert!(error.contains(why), "{command}: {error}");
        }
    }
}
