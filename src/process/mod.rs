//! The running daemon: an engine that decides, a keeper that acts, the parent
//! that starts both and shuts what a dead keeper left, and a runner where doors
//! have commands.
//!
//! Each is a process of its own: it acquires, confines itself, then loops.
//! What they tell each other is in [`crate::message`].
#![forbid(unsafe_code)]

mod backoff;
mod child;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod judge;
pub mod keeper;
mod locks;
pub mod options;
mod parent;
mod pidfile;
pub mod reference;
pub mod runner;
mod signals;
pub mod tables;

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use nix::unistd::geteuid;

use crate::capture::filter;
use crate::config::{self, Config};
use crate::core::interest;
use crate::core::policy::Policy;
use crate::sys::{Side, confine};
use crate::{faults, review, sys};
use options::Options;

/// What a process of the daemon is, by the name that it is started under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides about packets.
    Engine,
    /// Acts.
    Keeper,
    /// Runs the doors' commands.
    Runner,
}

impl Role {
    const ALL: [Self; 3] = [Self::Engine, Self::Keeper, Self::Runner];

    /// The first word of the command line. What is typed to start the daemon
    /// is the parent's alone, so that rc(8) finds that one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "knockd: engine",
            Self::Keeper => "knockd: keeper",
            Self::Runner => "knockd: runner",
        }
    }

    /// What this process was started as; none is the parent, or a command.
    fn of_this_process() -> Option<Self> {
        let name = std::env::args_os().next()?;
        Self::ALL.into_iter().find(|role| name == role.name())
    }
}

/// Why the daemon did not start, or did not end well.
#[derive(Debug)]
pub enum Failure {
    /// This is why.
    Because(String),
    /// It was said already, in the log or by another process.
    Said,
}

impl Failure {
    fn new(what: impl Display, error: impl Display) -> Self {
        Self::Because(format!("{what}: {error}"))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(text) => f.write_str(text),
            Self::Said => f.write_str("see the log"),
        }
    }
}

/// knockd, from its command line to its exit code: 0 done, 1 failed, 2 a
/// wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(role) = Role::of_this_process() {
        return be(role);
    }
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
        run(&options, &config)
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
    config
        .firewall
        .check(config.enable_pf)
        .map_err(|error| Failure::Because(format!("cannot use the firewall: {error}")))?;
    check_filter(&config.policy)?;
    // Another user may not look, and of other filters no rules are read.
    if config.firewall.backend().judge.is_some() && geteuid().is_root() {
        for finding in review::guard_rails(config) {
            complain(finding);
        }
    }
    drop(writeln!(io::stderr(), "configuration OK"));
    Ok(())
}

/// Whether the kernel would take the capture filter for `policy`.
fn check_filter(policy: &Policy) -> Result<(), Failure> {
    filter::check(&interest::of(policy)).map_err(|error| Failure::new("cannot capture", error))
}

/// What a process that the parent started does.
fn be(role: Role) -> ExitCode {
    if let Err(error) = begin(role) {
        complain(format_args!("cannot begin: {error}"));
        return ExitCode::FAILURE;
    }
    match role {
        Role::Engine => engine::run(),
        Role::Keeper => keeper::run(),
        Role::Runner => runner::run(),
    }
}

/// What every process that the parent started does first, before any key is
/// read.
///
/// # Errors
/// The system's.
pub fn begin(role: Role) -> io::Result<()> {
    sys::name_process();
    sys::close_inherited()?;
    sys::forbid_core_files()?;
    if role != Role::Runner {
        confine::lock_memory();
    }
    Ok(())
}

/// Runs the daemon, in the foreground or split off. In the command that was
/// typed, returns when the daemon is ready; in the daemon, when it ends.
fn run(options: &Options, config: &Config) -> Result<(), Failure> {
    // Before any file is written, which would fail without this reason.
    if config.firewall.backend().enforces && !geteuid().is_root() {
        let text = "only root can capture and filter, start knockd as root";
        return Err(Failure::Because(text.to_owned()));
    }
    check_filter(&config.policy)?;
    sys::close_inherited().map_err(|error| Failure::new("cannot close descriptors", error))?;
    faults::role("parent");
    if options.foreground {
        return parent::run(options, config, None);
    }
    match sys::split().map_err(|error| Failure::new("cannot become a daemon", error))? {
        Side::Daemon(command) => parent::run(options, config, Some(command)),
        Side::Command(command) => wait_for(command),
    }
}

/// Waits for the daemon to be ready, or to have said why it is not.
fn wait_for(mut daemon: File) -> Result<(), Failure> {
    let mut byte = [0; 1];
    daemon.read_exact(&mut byte).map_err(|_| Failure::Said)
}

fn complain(problem: impl Display) {
    // Nowhere is left to say that standard error is gone.
    drop(writeln!(io::stderr(), "knockd: {problem}"));
}
