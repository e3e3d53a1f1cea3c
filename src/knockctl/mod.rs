//! The program `knockctl`: says to people and their programs what the daemon
//! says in records.
//!
//! [`connection`] asks; [`show`] and [`metrics`] print.
//! What the daemon sends is text of others: it may be cut off from its own
//! senses by then.

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
use crate::control::request::{Order, Request};
use crate::sys;
use arguments::{Arguments, Command, Imported, Rotated};
use connection::Connection;

/// Why something was not done.
#[derive(Debug)]
pub enum Error {
    /// In one line.
    Because(String),
    /// Whoever read what we print has had enough.
    Unread,
}

impl Error {
    fn from_display(error: impl Display) -> Self {
        Self::Because(error.to_string())
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(text) => f.write_str(text),
            Self::Unread => f.write_str("nobody reads what is printed"),
        }
    }
}

impl From<io::Error> for Error {
    /// From printing.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Because(format!("cannot print: {error}")),
        }
    }
}

/// knockctl, from its command line to its exit code: 0 done, 1 failed, 2 a
/// wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    // Setting up, enrolling and rotating read keys.
    if let Err(error) = crate::sys::forbid_core_files() {
        complain(format!("cannot forbid core files: {error}"));
        return ExitCode::FAILURE;
    }
    let understood = Arguments::try_parse()
        .and_then(|arguments| Ok((arguments.command.order()?, arguments)));
    let (order, arguments) = match understood {
        Ok(understood) => understood,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Command::Doctor { config } = arguments.command {
        return examine(&arguments.socket, doctor::Options { config });
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = match order {
        Some(order) => Connection::open(&arguments.socket)
            .and_then(|mut daemon| carry_out(&mut daemon, order, &mut out)),
        None => help(&arguments, &mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) | Err(Error::Unread) => ExitCode::SUCCESS,
        Err(Error::Because(text)) => {
            complain(text);
            ExitCode::FAILURE
        }
    }
}

/// Has the daemon do something, and prints what it says about it.
fn carry_out(daemon: &mut Connection, order: Order, out: &mut dyn Write) -> Result<(), Error> {
    let told = daemon.ask(&Request::Order(order), |answer| match answer {
        Answer::Line { text } => {
            complain(text);
            Ok(())
        }
        _ => Err(puzzled()),
    })?;
    if !told.is_empty() {
        writeln!(out, "{told}")?;
    }
    Ok(())
}

/// Does what the daemon is not needed for, or not alone.
fn help(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Error> {
    match &arguments.command {
        Command::Enroll(order) => enroll::enroll(order, out),
        Command::Setup(order) => setup::setup(order, out),
        Command::Import { from: Imported::Knockd, file } => import::import_knockd(file, out),
        Command::Rotate { what: Rotated::Gate, config } => {
            rotate::rotate_gate(config, &date::day_of(sys::wall()), out)
        }
        Command::Revoke { user, config } => {
            revoke::revoke(user, config, &arguments.socket, out)
        }
        _ => look(arguments, out),
    }
}

/// Has the daemon tell something, and prints it.
fn look(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Error> {
    let mut daemon = Connection::open(&arguments.socket)?;
    match arguments.command {
        Command::Show { json: false, what: None } => show::show(&mut daemon, out),
        Command::Show { json: true, what: None } => show::show_json(&mut daemon, out),
        Command::Show { json: false, what: Some(_) } => show::stats(&mut daemon, out),
        Command::Show { json: true, what: Some(_) } => show::stats_json(&mut daemon, out),
        Command::Monitor => monitor(&mut daemon, out),
        Command::Metrics => {
            let doors = show::doors(&mut daemon)?;
            Ok(metrics::write(&doors, &show::counters(&mut daemon)?, out)?)
        }
        _ => Ok(()),
    }
}

/// Looks at the live system, the daemon's own words among it.
fn examine(socket: &Path, options: doctor::Options) -> ExitCode {
    let mut ask = || {
        let mut facts = Vec::new();
        let asked = Connection::open(socket).and_then(|mut daemon| {
            daemon.ask(&Request::Health, |answer| match answer {
                Answer::Fact { key, value } => {
                    facts.push((key, value));
                    Ok(())
                }
                _ => Err(puzzled()),
            })
        });
        asked.map(|_| facts).map_err(|error| error.to_string())
    };
    doctor::run(&options, &mut ask, &mut io::stdout().lock()).exit_status().into()
}

/// Prints lines of the log until the daemon ends.
fn monitor(daemon: &mut Connection, out: &mut dyn Write) -> Result<(), Error> {
    daemon.be_patient()?;
    let asked = daemon.ask(&Request::Monitor, |answer| {
        match answer {
            Answer::Event { text } => writeln!(out, "{text}")?,
            Answer::Missed { lines } => writeln!(out, "{lines} lines missed")?,
            _ => return Err(puzzled()),
        }
        Ok(out.flush()?)
    });
    asked.map(drop)
}

fn puzzled() -> Error {
    Error::Because("knockd answered something else".into())
}

/// Tells a person what the output of a program does not.
fn hint(line: &str) {
    // Nowhere is left to say that standard error is gone.
    drop(writeln!(io::stderr(), "{line}"));
}

fn complain(problem: impl Display) {
    // Nowhere is left to say that standard error is gone.
    drop(writeln!(io::stderr(), "knockctl: {problem}"));
}
