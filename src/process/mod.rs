//! The running daemon: an engine that decides, a keeper that acts, and the
//! loop that joins them.
//!
//! What passes between engine and keeper is a [`engine::Decision`]; nothing
//! else is shared but the checked configuration.
#![forbid(unsafe_code)]

pub mod confine;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
#[cfg(feature = "faults")]
pub mod hostile;
pub mod judge;
pub mod keeper;
pub mod options;
mod pidfile;
pub mod reference;
mod signals;
pub mod tables;
mod wait;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::config::{self, Config};
use crate::{firewall, sys};
use daemon::Failure;
use options::Options;

/// knockd, from its command line to its exit code: 0 done, 1 failed, 2 a
/// wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    #[cfg(feature = "demo")]
    if options.demo {
        return demo::run();
    }
    // Before any key is read.
    if let Err(error) = sys::forbid_core_files() {
        complain(format_args!("cannot forbid core files: {error}"));
        return ExitCode::FAILURE;
    }
    let config = match config::load(&options.config) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems.lines() {
                complain(problem);
            }
            return ExitCode::FAILURE;
        }
    };
    let done = if options.check {
        check(&config)
    } else if let Some(path) = &options.savefile {
        let judged = judge::judge(&config.policy, path, &mut io::stdout().lock());
        judged.map_err(|error| Failure::Because(error.to_string()))
    } else {
        daemon::run(&options, &config)
    };
    match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Said) => {}
        Err(Failure::Because(text)) => complain(text),
    }
    ExitCode::FAILURE
}

/// Everything that a start does short of acting.
fn check(config: &Config) -> Result<(), Failure> {
    for warning in config.warnings.lines() {
        complain(warning);
    }
    firewall::check(&config.firewall, config.enable_pf)
        .map_err(|error| Failure::Because(format!("cannot use the firewall: {error}")))?;
    daemon::check_filter(&config.policy)?;
    drop(writeln!(io::stderr(), "configuration OK"));
    Ok(())
}

fn complain(problem: impl Display) {
    // Nowhere is left to say that standard error is gone.
    drop(writeln!(io::stderr(), "knockd: {problem}"));
}
