//! Commands of doors: sent to the runner, whose answers nobody waits for.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::core::command::{Command, Filling, NOBODY};
use crate::core::door::Door;
use crate::core::time::Monotonic;
use crate::core::user::User;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::runner::{FromRunner, Occasion, Outcome, Run, ToRunner};
use crate::process::runner::MAX_QUEUED;
use crate::sys::wait::Wish;

/// Commands that are queued or running at once. Further ones are dropped.
pub const MAX_COMMANDS: usize = MAX_QUEUED;

/// The channel to the runner, and the commands on their way.
pub struct Commands {
    /// The time limit of a command; `None` if no runner runs any.
    limit: Option<Duration>,
    runner: Option<(u32, Channel<UnixStream>)>,
    /// Those that no runner has received yet.
    waiting: VecDeque<Run>,
    /// The program and the door of those that a runner received and has not
    /// reported the end of.
    sent: BTreeMap<u32, (String, String)>,
    next_id: u32,
    log: Log,
}

impl Commands {
    /// No commands, and no runner.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self {
            limit: None,
            runner: None,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            next_id: 0,
            log,
        }
    }

    /// Sets the time limit of commands; `None` if no runner runs any.
    pub const fn limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    /// The runner's channel, to wait on.
    #[must_use]
    pub fn wish<W>(&self, who: W) -> Option<Wish<'_, W>> {
        let (_, channel) = self.runner.as_ref()?;
        Some(Wish { write: channel.has_output(), ..Wish::read(who, channel) })
    }

    /// Sends all commands to runner `id` from now on, waiting ones first.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn adopt(&mut self, id: u32, channel: Channel<UnixStream>) -> Result<(), Broken> {
        self.runner = Some((id, channel));
        while let Some(run) = self.waiting.pop_front() {
            self.send(run)?;
        }
        Ok(())
    }

    /// Closes the channel. Returns the runner's id, and how many commands are
    /// lost with it.
    pub fn lose(&mut self) -> Option<(u32, usize)> {
        let (id, _) = self.runner.take()?;
        Some((id, std::mem::take(&mut self.sent).len()))
    }

    /// Queues the command of `door` for `occasion`, if it has one. Logs it when
    /// too many are queued.
    pub fn run(
        &mut self,
        door: &Door,
        occasion: Occasion,
        address: IpAddr,
        user: Option<&User>,
        span: Duration,
        now: Monotonic,
    ) {
        let command = match occasion {
            Occasion::Open => &door.commands.on_open,
            Occasion::Close => &door.commands.on_close,
        };
        let Some(command) = command else { return };
        let user = user.map_or(NOBODY, |user| &user.name);
        let filling = Filling { address, door: &door.name, user, seconds: span.as_secs() };
        if !self.queue(command, occasion, &filling) {
            self.log.drop_command(command.program(), &door.name, now);
        }
    }

    /// Returns whether there was room.
    fn queue(&mut self, command: &Command, occasion: Occasion, filling: &Filling<'_>) -> bool {
        let Some(limit) = self.limit else { return true };
        if self.waiting.len() + self.sent.len() >= MAX_COMMANDS {
            return false;
        }
        self.next_id = self.next_id.wrapping_add(1);
        let run = Run {
            id: self.next_id,
            occasion,
            limit,
            door: filling.door.to_owned(),
            address: filling.address,
            user: filling.user.to_owned(),
            seconds: filling.seconds,
            words: command.fill(filling),
        };
        if self.runner.is_some() {
            // A broken channel is found when it is read.
            drop(self.send(run));
        } else {
            self.waiting.push_back(run);
        }
        true
    }

    fn send(&mut self, run: Run) -> Result<(), Broken> {
        let Some((_, channel)) = &mut self.runner else { return Ok(()) };
        let program = run.words.first().cloned().unwrap_or_default();
        self.sent.insert(run.id, (program, run.door.clone()));
        channel.queue(&ToRunner::Run(run), None)?;
        channel.flush()
    }

    /// Reads what the runner reports, and sends what is queued. The runner can
    /// report the end of each command once, and nothing else.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn recv(&mut self, now: Monotonic) -> Result<(), Broken> {
        let Some((_, channel)) = &mut self.runner else { return Ok(()) };
        while let Some(FromRunner::Ended { id, outcome }) = channel.recv()? {
            let (command, door) = self.sent.remove(&id).ok_or(Broken::Senseless)?;
            let (command, door) = (command.as_str(), door.as_str());
            match outcome {
                Outcome::Exited(0) => {}
                Outcome::Dropped => self.log.drop_command(command, door, now),
                how => {
                    let event = Event::CommandFailed { command, door, how: &how };
                    self.log.write_limited(&event, now);
                }
            }
        }
        channel.flush()
    }

    /// Reads what the runner reported until now, and lets it know that nobody
    /// reads the rest. Logs the commands that no runner received.
    pub fn give_up(&mut self, now: Monotonic) {
        // A runner that is gone has nothing to report.
        drop(self.recv(now));
        if let Some((_, channel)) = &self.runner {
            drop(channel.shut_read());
            if channel.has_output() {
                self.log.write(&Event::CommandsUnreported);
            }
        }
        drop(self.recv(now));
        for run in self.waiting.drain(..) {
            let program = run.words.first().map_or("", String::as_str);
            self.log.drop_command(program, &run.door, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    use nix::poll::PollTimeout;

    fn now() -> Monotonic {
        Monotonic::default()
    }

    fn log() -> Log {
        Log::to_lines(std::io::sink(), false)
    }

    /// Queues `count` commands; returns for how many there was room.
    fn queue(commands: &mut Commands, count: u32) -> usize {
        let command = Command::new(&["/bin/true".into(), "x".repeat(256)], "ssh").unwrap();
        let filling =
            Filling { address: [192, 0, 2, 7].into(), door: "ssh", user: NOBODY, seconds: 60 };
        let mut taken = 0;
        for _ in 0..count {
            taken += usize::from(commands.queue(&command, Occasion::Open, &filling));
        }
        taken
    }

    fn commands() -> Commands {
        let mut commands = Commands::new(log());
        commands.limit(Some(Duration::from_secs(1)));
        commands
    }

    /// A runner that the test plays.
    fn adopted(commands: &mut Commands) -> Channel<OwnedFd> {
        let (ours, theirs) = Channel::pair(0).unwrap();
        commands.adopt(1, ours).unwrap();
        Channel::new(theirs, crate::message::runner::MAX_BLOB)
    }

    fn report(runner: &mut Channel<OwnedFd>, id: u32) {
        let outcome = Outcome::Exited(0);
        runner.queue(&FromRunner::Ended { id, outcome }, None).unwrap();
        runner.finish(PollTimeout::ZERO).unwrap();
    }

    #[test]
    fn no_more_wait_for_a_runner_than_one_takes() {
        let mut commands = commands();
        assert_eq!(queue(&mut commands, 300), MAX_COMMANDS);
        let mut runner = adopted(&mut commands);
        let ToRunner::Run(first) = runner.wait().unwrap() else { unreachable!() };
        report(&mut runner, first.id);
        assert_eq!(queue(&mut commands, 300), 0, "it was not read yet");
        commands.recv(now()).unwrap();
        assert_eq!(queue(&mut commands, 300), 1);
    }

    #[test]
    fn a_runner_that_does_not_read_is_not_waited_for() {
        let mut commands = commands();
        let _runner = adopted(&mut commands);
        assert_eq!(queue(&mut commands, 300), MAX_COMMANDS);
        commands.recv(now()).unwrap();
        assert_eq!(commands.lose(), Some((1, MAX_COMMANDS)));
    }

    #[test]
    fn a_runner_can_tell_the_end_of_a_command_once_and_of_no_other() {
        for lie in [1, 7] {
            let mut commands = commands();
            let mut runner = adopted(&mut commands);
            assert_eq!(queue(&mut commands, 1), 1);
            report(&mut runner, 1);
            commands.recv(now()).unwrap();
            report(&mut runner, lie);
            let received = commands.recv(now());
            assert!(matches!(received, Err(Broken::Senseless)), "{lie}");
        }
    }

    #[test]
    fn without_a_runner_to_come_nothing_waits() {
        let mut commands = Commands::new(log());
        assert_eq!(queue(&mut commands, 300), 300);
        assert!(commands.waiting.is_empty());
    }
}
