//! The program `knockctl`: controls the daemon, sets it up and examines it.
//!
//! [`connection`] asks the daemon, [`show`] and [`metrics`] print the answers.
//! Answers are untrusted: the daemon may be compromised.

pub mod arguments;
pub mod connection;
pub mod doctor;
mod enroll;
mod import;
mod json;
pub mod metrics;
mod qr;
mod revoke;
mod rotate;
mod setup;
pub mod show;

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::config::date;
use crate::control::answer::Answer;
use crate::control::request::{ControlRequest, Order};
use crate::core::finding::Grade;
use crate::sys;
use arguments::{CtlArguments, CtlCommand, KeyToRotate, OldDaemon};
use connection::{Connection, unexpected};

/// Why a command failed.
#[derive(Debug)]
pub enum CtlError {
    /// With the reason, in one line.
    Failed(String),
    /// The reader of standard output is gone.
    ClosedPipe,
}

impl CtlError {
    fn new(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }
}

impl Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::ClosedPipe => f.write_str("standard output is closed"),
        }
    }
}

impl From<io::Error> for CtlError {
    /// Of writing to standard output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::new(format!("cannot print: {error}")),
        }
    }
}

/// The program `knockctl`: exits with 0 on success, 1 on failure, 2 on a usage
/// error.
#[must_use]
pub fn main() -> ExitCode {
    // Before any key is read.
    if let Err(error) = sys::forbid_core_files() {
        complain(format!("cannot forbid core files: {error}"));
        return ExitCode::FAILURE;
    }
    let parsed = CtlArguments::try_parse()
        .and_then(|arguments| Ok((arguments.command.order()?, arguments)));
    let (order, arguments) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A failed write means that the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let CtlCommand::Doctor { config } = &arguments.command {
        return examine(&arguments.socket, config);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = match order {
        Some(order) => send_order(&arguments.socket, order, &mut out),
        None => run(&arguments, &mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) | Err(CtlError::ClosedPipe) => ExitCode::SUCCESS,
        Err(CtlError::Failed(why)) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}

/// Sends an order to the daemon and prints the answer.
fn send_order(socket: &Path, order: Order, out: &mut dyn Write) -> Result<(), CtlError> {
    let answer =
        Connection::open(socket)?.ask(
            &ControlRequest::Order(order),
            |answer| match answer {
                Answer::Line(text) => {
                    complain(text);
                    Ok(())
                }
                _ => Err(unexpected()),
            },
        )?;
    if !answer.is_empty() {
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

/// Runs a command that is no order.
fn run(arguments: &CtlArguments, out: &mut dyn Write) -> Result<(), CtlError> {
    match &arguments.command {
        CtlCommand::Enroll(options) => enroll::enroll(options, out),
        CtlCommand::Setup(options) => setup::setup(options, out),
        CtlCommand::Import { from: OldDaemon::Knockd, file } => {
            import::import_knockd(file, out)
        }
        CtlCommand::Rotate { what: KeyToRotate::Gate, config } => {
            rotate::rotate_gate(config, &date::day_of(sys::wall()), out)
        }
        CtlCommand::Revoke { user, config } => {
            revoke::revoke(user, config, &arguments.socket, out)
        }
        _ => query(arguments, out),
    }
}

/// Prints what the daemon answers to a question.
fn query(arguments: &CtlArguments, out: &mut dyn Write) -> Result<(), CtlError> {
    let mut daemon = Connection::open(&arguments.socket)?;
    match arguments.command {
        CtlCommand::Show { json: false, what: None } => show::show(&mut daemon, out),
        CtlCommand::Show { json: true, what: None } => show::show_json(&mut daemon, out),
        CtlCommand::Show { json: false, what: Some(_) } => show::stats(&mut daemon, out),
        CtlCommand::Show { json: true, what: Some(_) } => show::stats_json(&mut daemon, out),
        CtlCommand::Monitor => monitor(&mut daemon, out),
        CtlCommand::Metrics => {
            let doors = show::doors(&mut daemon)?;
            Ok(metrics::write(&doors, &show::counters(&mut daemon)?, out)?)
        }
        _ => Ok(()),
    }
}

/// Runs the doctor: exits with 1 if a finding is an error.
fn examine(socket: &Path, config: &Path) -> ExitCode {
    let mut ask = || {
        let facts = Connection::open(socket).and_then(|mut daemon| {
            daemon.collect(&ControlRequest::Health, |answer| match answer {
                Answer::Fact { key, value } => Some((key, value)),
                _ => None,
            })
        });
        facts.map_err(|error| error.to_string())
    };
    let worst = doctor::run(config, &mut ask, &mut io::stdout().lock());
    u8::from(worst == Grade::Error).into()
}

/// Prints lines of the log until the daemon ends.
fn monitor(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), CtlError> {
    daemon.wait_forever()?;
    let asked = daemon.ask(&ControlRequest::Monitor, |answer| {
        match answer {
            Answer::Event(text) => writeln!(out, "{text}")?,
            Answer::Missed(lines) => writeln!(out, "{lines} lines missed")?,
            _ => return Err(unexpected()),
        }
        Ok(out.flush()?)
    });
    asked.map(drop)
}

/// Prints a line on standard error.
fn hint(line: &str) {
    // A failed write means that standard error is gone.
    drop(writeln!(io::stderr(), "{line}"));
}

fn complain(problem: impl Display) {
    hint(&format!("knockctl: {problem}"));
}
