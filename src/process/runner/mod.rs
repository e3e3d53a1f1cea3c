//! Runs the commands of doors, as a user of its own.
//!
//! The keeper sends complete commands and does not wait for them. The runner
//! runs a few at once; those for one door and one address run in order. It has
//! no keys and no configuration, and the keeper only logs what it reports. When
//! the keeper is gone, the runner runs what is queued, for a limited time.

mod program;
mod queue;

use std::fs::File;
use std::io::{self, Stdin};
use std::process::ExitCode;
use std::time::Duration;

use super::child;
use super::signals::Signals;
use crate::core::time::Monotonic;
use crate::message::channel::{Broken, Channel};
use crate::message::runner::{FromRunner, MAX_BLOB, Outcome, Run, ToRunner};
use crate::sys::confine;
use crate::sys::wait::{Waiter, Wish};
use crate::{faults, sys};
use program::Program;
use queue::Queue;

pub use queue::MAX_QUEUED;

/// The most commands that run at once.
pub const MAX_RUNNING: usize = 4;
/// How long commands may run after the keeper is gone.
pub const GRACE: Duration = Duration::from_secs(10);
/// The exit code when a command failed after the keeper was gone.
pub const UNREPORTED: u8 = 3;

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Signals,
    Keeper,
}

/// Runs the process, from the parent's first message to the exit code.
#[must_use]
pub fn run() -> ExitCode {
    faults::role("runner");
    let mut channel = Channel::of_child(MAX_BLOB);
    let start = match channel.wait() {
        Ok(start) => start,
        // The parent died before it sent anything.
        Err(Broken::Ended) => return ExitCode::SUCCESS,
        Err(_) => return ExitCode::FAILURE,
    };
    let Ok(mut runner) = Runner::start(channel, start) else { return ExitCode::FAILURE };
    let served = runner.serve();
    runner.programs.iter_mut().for_each(Program::kill);
    match served {
        Ok(()) if runner.has_unreported => ExitCode::from(UNREPORTED),
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Runner {
    channel: Channel<Stdin>,
    /// When to end; set once the keeper is gone.
    deadline: Option<Monotonic>,
    /// Whether a command failed and the keeper does not know.
    has_unreported: bool,
    queue: Queue,
    programs: Vec<Program>,
    null: File,
    signals: Signals,
    waiter: Waiter,
}

impl Runner {
    /// Acquires what it needs, and confines the process.
    fn start(channel: Channel<Stdin>, start: ToRunner) -> Result<Self, Broken> {
        let ToRunner::Start { foreground, account } = start else {
            return Err(Broken::Senseless);
        };
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (signals, waiter) = (Signals::new()?, Waiter::new()?);
        child::confine(foreground, account, confine::runner)?;
        Ok(Self {
            channel,
            deadline: None,
            has_unreported: false,
            queue: Queue::default(),
            programs: Vec::new(),
            null,
            signals,
            waiter,
        })
    }

    fn serve(&mut self) -> Result<(), Broken> {
        // The system does not announce again what came with the first message.
        self.dispatch(sys::now()?.monotonic)?;
        loop {
            self.start_programs(sys::now()?.monotonic);
            if self.deadline.is_some() && self.programs.is_empty() && self.queue.is_empty() {
                return Ok(());
            }
            let is_ready = self.wait()?;
            // SIGINT, SIGTERM and SIGHUP are for the parent.
            self.signals.take();
            let now = sys::now()?.monotonic;
            if is_ready {
                self.dispatch(now)?;
            }
            self.reap();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                self.has_unreported = true;
                return Ok(());
            }
            for program in &mut self.programs {
                if program.deadline.is_some_and(|deadline| deadline <= now) {
                    program.kill();
                }
            }
        }
    }

    /// Waits for something to do. Returns whether the channel is ready.
    fn wait(&mut self) -> io::Result<bool> {
        let deadlines = self.programs.iter().filter_map(|program| program.deadline);
        let deadline = deadlines.chain(self.deadline).min();
        let mut wishes = vec![Wish::read(Who::Signals, &self.signals)];
        if self.deadline.is_none() {
            let write = self.channel.has_output();
            wishes.push(Wish { write, ..Wish::read(Who::Keeper, &self.channel) });
        }
        let ready = self.waiter.wait(&wishes, deadline)?;
        Ok(ready.iter().any(|ready| ready.who == Who::Keeper))
    }

    /// Dispatches messages of the keeper, and sends it what is queued.
    fn dispatch(&mut self, now: Monotonic) -> Result<(), Broken> {
        loop {
            match self.channel.recv() {
                Ok(Some(ToRunner::Run(run))) => {
                    if let Err(run) = self.queue.push(run) {
                        self.report(run.id, Outcome::Dropped);
                    }
                }
                Ok(Some(ToRunner::Start { .. })) => return Err(Broken::Senseless),
                Ok(None) => break,
                Err(Broken::Ended) => {
                    self.deadline.get_or_insert(now + GRACE);
                    return Ok(());
                }
                Err(broken) => return Err(broken),
            }
        }
        // A broken channel is found when it is read.
        drop(self.channel.flush());
        Ok(())
    }

    /// Starts as many commands as may run.
    fn start_programs(&mut self, now: Monotonic) {
        while self.programs.len() < MAX_RUNNING
            && let Some(run) = self.next()
        {
            match Program::start(&run, &self.null, now) {
                Ok(program) => self.programs.push(program),
                Err(outcome) => self.report(run.id, outcome),
            }
        }
    }

    fn next(&mut self) -> Option<Run> {
        let busy: Vec<_> = self.programs.iter().map(|program| &program.key).collect();
        self.queue.pop(&busy)
    }

    /// Reaps the programs that ended, and reports how they did.
    fn reap(&mut self) {
        let mut ended = Vec::new();
        self.programs.retain_mut(|program| {
            let outcome = program.outcome();
            ended.extend(outcome.map(|outcome| (program.id, outcome)));
            outcome.is_none()
        });
        for (id, outcome) in ended {
            self.report(id, outcome);
        }
    }

    fn report(&mut self, id: u32, outcome: Outcome) {
        let is_reported = self.deadline.is_none()
            && self.channel.queue(&FromRunner::Ended { id, outcome }, None).is_ok()
            && self.channel.flush().is_ok();
        self.has_unreported |= !is_reported && outcome != Outcome::Exited(0);
    }
}
