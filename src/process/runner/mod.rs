//! Runs what doors have run when they open and close, as a user of its own.
//!
//! The keeper sends whole commands and never waits for them. Here they run, a
//! few at once, those of one door and one address in their order. There are no
//! keys here and no configuration, and nothing that comes back is more than a
//! line in the log. When the keeper is gone what is left is worked off, for a
//! limited time.

mod program;
mod queue;

use std::fs::File;
use std::io::{self, Stdin};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::unistd::{Gid, Uid};

use super::signals::Signals;
use crate::core::time::Monotonic;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::runner::{FromRunner, MAX_BLOB, Outcome, Run, ToRunner};
use crate::sys::confine::{self, Account};
use crate::sys::wait::{Waiter, Wish};
use crate::{faults, sys};
use program::Program;
use queue::Queue;

pub use queue::MAX_WAITING;

/// Commands that run at once.
pub const MAX_RUNNING: usize = 4;
/// How long commands may go on when the keeper is gone.
pub const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// The exit code for commands that failed when nobody was there to be told.
pub const UNTOLD: u8 = 3;

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Signals,
    Keeper,
}

/// The runner's life, from its first message to its exit code.
#[must_use]
pub fn run() -> ExitCode {
    faults::role("runner");
    let mut channel = Channel::of_child(MAX_BLOB);
    let start = match channel.wait() {
        Ok(start) => start,
        // The parent is gone before it said anything.
        Err(Broken::Ended) => return ExitCode::SUCCESS,
        Err(_) => return ExitCode::FAILURE,
    };
    let Ok(mut runner) = Runner::start(channel, start) else { return ExitCode::FAILURE };
    let served = runner.serve();
    runner.programs.iter_mut().for_each(Program::kill);
    match served {
        Ok(()) if runner.has_untold => ExitCode::from(UNTOLD),
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Runner {
    channel: Channel<Stdin>,
    /// When all has to be over; set once the keeper is gone.
    end: Option<Monotonic>,
    /// Whether something failed that nobody was told.
    has_untold: bool,
    queue: Queue,
    programs: Vec<Program>,
    null: File,
    signals: Signals,
    waiter: Waiter,
}

impl Runner {
    /// Acquires what it needs, and confines itself.
    fn start(channel: Channel<Stdin>, start: ToRunner) -> Result<Self, Broken> {
        let ToRunner::Start { foreground, account } = start else {
            return Err(Broken::Senseless);
        };
        let log = if foreground {
            // Our own copy, so that none is left when it is closed.
            Log::to_lines(File::from(io::stderr().as_fd().try_clone_to_owned()?), false)
        } else {
            Log::to_syslog(false)
        };
        sys::silence(sys::Silence::Output)?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (signals, waiter) = (Signals::new()?, Waiter::new()?);
        let account = account
            .map(|(uid, gid)| Account { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) });
        if let Err(error) = confine::runner(account.as_ref()) {
            log.write(&Event::CannotConfine { error: &error });
            return Err(Broken::System(io::Error::other(error.to_string())));
        }
        Ok(Self {
            channel,
            end: None,
            has_untold: false,
            queue: Queue::default(),
            programs: Vec::new(),
            null,
            signals,
            waiter,
        })
    }

    fn serve(&mut self) -> Result<(), Broken> {
        // What came with the first message is not announced again.
        self.listen(sys::now()?.monotonic)?;
        loop {
            self.begin(sys::now()?.monotonic);
            if self.end.is_some() && self.programs.is_empty() && self.queue.is_empty() {
                return Ok(());
            }
            let has_news = self.wait()?;
            // INT, TERM and HUP are the parent's: it tells by the channel.
            self.signals.take();
            let now = sys::now()?.monotonic;
            if has_news {
                self.listen(now)?;
            }
            self.bury();
            if self.end.is_some_and(|end| end <= now) {
                self.has_untold = true;
                return Ok(());
            }
            for program in &mut self.programs {
                if program.end.is_some_and(|end| end <= now) {
                    program.kill();
                }
            }
        }
    }

    /// Waits for something to do. Whether the channel has some.
    fn wait(&mut self) -> io::Result<bool> {
        let ends = self.programs.iter().filter_map(|program| program.end);
        let deadline = ends.chain(self.end).min();
        let mut wishes = vec![Wish::read(Who::Signals, &self.signals)];
        if self.end.is_none() {
            let write = self.channel.has_output();
            wishes.push(Wish { write, ..Wish::read(Who::Keeper, &self.channel) });
        }
        let ready = self.waiter.wait(&wishes, deadline)?;
        Ok(ready.iter().any(|ready| ready.who == Who::Keeper))
    }

    /// Hears the keeper out, and tells it what it could not be told before.
    fn listen(&mut self, now: Monotonic) -> Result<(), Broken> {
        loop {
            match self.channel.recv() {
                Ok(Some(ToRunner::Run(run))) => {
                    if let Err(run) = self.queue.push(run) {
                        self.tell(run.id, Outcome::Dropped);
                    }
                }
                Ok(Some(ToRunner::Start { .. })) => return Err(Broken::Senseless),
                Ok(None) => break,
                Err(Broken::Ended) => {
                    self.end.get_or_insert(now + LAST_PATIENCE);
                    return Ok(());
                }
                Err(broken) => return Err(broken),
            }
        }
        // That it is gone is found by hearing.
        drop(self.channel.flush());
        Ok(())
    }

    /// Starts what may start.
    fn begin(&mut self, now: Monotonic) {
        while self.programs.len() < MAX_RUNNING
            && let Some(run) = self.next()
        {
            match Program::start(&run, &self.null, now) {
                Ok(program) => self.programs.push(program),
                Err(outcome) => self.tell(run.id, outcome),
            }
        }
    }

    fn next(&mut self) -> Option<Run> {
        let busy: Vec<_> = self.programs.iter().map(|program| &program.key).collect();
        self.queue.pop(&busy)
    }

    /// Lets go of programs that ended, and says how.
    fn bury(&mut self) {
        let mut ended = Vec::new();
        self.programs.retain_mut(|program| {
            let outcome = program.outcome();
            ended.extend(outcome.map(|outcome| (program.id, outcome)));
            outcome.is_none()
        });
        for (id, outcome) in ended {
            self.tell(id, outcome);
        }
    }

    fn tell(&mut self, id: u32, outcome: Outcome) {
        let is_told = self.end.is_none()
            && self.channel.queue(&FromRunner::Ended { id, outcome }, None).is_ok()
            && self.channel.flush().is_ok();
        self.has_untold |= !is_told && outcome != Outcome::Exited(0);
    }
}
