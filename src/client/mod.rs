//! The client: knocks, asks by token, makes keys. Any Unix, no privileges.
//!
//! [`arguments`] become a [`task`]. [`access`] makes the bytes of a token with a
//! [`key`], for an address that [`source`] chooses. [`send`] and [`sequence`]
//! send packets, [`wait`] tries the door and [`relay`] uses it. [`hosts`] and
//! [`key_files`] read the user's files, [`openssh`] and [`agent`] read keys of
//! ssh. Secrets come from files only: others can see argv and the environment.
#![forbid(unsafe_code)]

pub mod access;
pub mod agent;
pub mod arguments;
mod enroll;
pub mod hosts;
mod hosts_file;
pub mod key;
pub mod key_files;
pub mod openssh;
pub mod own_address;
pub mod relay;
pub mod rolling;
pub mod send;
pub mod sequence;
pub mod source;
pub mod task;
pub mod terminal;
mod tokens;
pub mod wait;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::core::sighting::Port;
use crate::keyfile::KeyKind;
use crate::sys;
use task::{Action, Task};

/// Why something failed, for the user to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError(String);

impl ClientError {
    /// From a text that names the object and ends with the system's error.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

/// The program `knock`: exits with 0 when sent or made, 1 on failure, 2 on
/// a usage error.
#[must_use]
pub fn main() -> ExitCode {
    let task = match Task::parse(std::env::args_os()) {
        Ok(task) => task,
        Err(error) => {
            // A failed write means that the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Before any key is read.
    if let Err(error) = sys::forbid_core_files() {
        complain(&ClientError::new(format!("cannot forbid core files: {error}")));
        return ExitCode::FAILURE;
    }
    match run(&task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), ClientError> {
    match &task.action {
        Action::Token(token) => tokens::send(token, task.families, task.verbose),
        Action::Sequence { host, knocks, delay } => {
            knock(task, host, *delay, || Ok(knocks.clone()))
        }
        // Those of the moment: names take their time to resolve.
        Action::Rolling { host, course, delay } => {
            knock(task, host, *delay, || course.knocks(sys::wall()))
        }
        Action::Enroll { hosts, key, name } => {
            let file = match hosts {
                Some(file) => file.clone(),
                None => hosts::directory()?.join("hosts.ron"),
            };
            say(enroll::enroll(&file, key.as_deref(), name.as_deref())?.trim_end());
            Ok(())
        }
        Action::Keygen { kind, file: Some(file) } => make_key(file, *kind),
        Action::Keygen { kind, file: None } => {
            make_key(&hosts::directory()?.join("id.key"), *kind)
        }
    }
}

/// Sends the knocks to `host` over its families.
fn knock(
    task: &Task,
    host: &str,
    delay: Duration,
    knocks: impl Fn() -> Result<Vec<Port>, ClientError>,
) -> Result<(), ClientError> {
    let destinations = send::resolve(host, 0, task.families)?;
    to_each(&destinations, task.verbose, |to| {
        sequence::send(&knocks()?, delay, *to, |knock, address| {
            if task.verbose {
                say(&format!("knocked at {address} port {knock}"));
            }
        })
    })
}

/// Sends to all destinations. One family that works is enough: the error of the
/// other is then reported only with `verbose`.
fn to_each<T>(
    destinations: &[T],
    verbose: bool,
    mut send: impl FnMut(&T) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut failures: Vec<_> = destinations.iter().filter_map(|to| send(to).err()).collect();
    let reached = failures.len() < destinations.len();
    let outcome = if reached { None } else { failures.pop() };
    if verbose || !reached {
        failures.iter().for_each(complain);
    }
    outcome.map_or(Ok(()), Err)
}

fn make_key(file: &Path, kind: KeyKind) -> Result<(), ClientError> {
    let text = key_files::make(file, kind)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| {
        ClientError::new(format!("cannot print the public half of {}: {error}", file.display()))
    })
}

/// Prints a line. A closed output is no reason to fail after sending.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(error: &impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "knock: {error}");
}
