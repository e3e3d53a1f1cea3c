//! What doors have run: handed to the runner, and never waited for.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Keeper;
use crate::core::command::{Command, Filling, NOBODY};
use crate::core::door::Door;
use crate::core::lease::{Holder, LeaseKey};
use crate::core::policy::Policy;
use crate::core::time::Monotonic;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::runner::{FromRunner, Occasion, Outcome, Run, ToRunner};
use crate::process::runner::MAX_WAITING;
use crate::sys::wait::Wish;

/// Commands under way at once, those that run among them. More are dropped.
pub const MAX_COMMANDS: usize = MAX_WAITING;

/// The way to the runner, and what is on it.
#[derive(Default)]
pub struct Commands {
    /// How long a command may take; none while there is nobody to run any.
    limit: Option<Duration>,
    runner: Option<(u32, Channel<UnixStream>)>,
    /// Those that no runner has got yet.
    waiting: VecDeque<Run>,
    /// Those that one got, and has not told the end of: by their number, the
    /// program and the door.
    given: BTreeMap<u32, (String, String)>,
    next_id: u32,
}

impl Commands {
    /// How long commands may take from now on; none if there are none.
    pub const fn limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    /// The runner's channel, to wait on.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel<UnixStream>> {
        self.runner.as_ref().map(|(_, channel)| channel)
    }

    /// What to wait for.
    #[must_use]
    pub fn wish<W>(&self, who: W) -> Option<Wish<'_, W>> {
        let channel = self.channel()?;
        Some(Wish { write: channel.has_output(), ..Wish::read(who, channel) })
    }

    /// Gives all to runner `id` from now on, what waits for it first.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn adopt(&mut self, id: u32, channel: Channel<UnixStream>) -> Result<(), Broken> {
        self.runner = Some((id, channel));
        while let Some(run) = self.waiting.pop_front() {
            self.give(run)?;
        }
        Ok(())
    }

    /// Lets go of the runner. Returns what it was called, and how many
    /// commands are lost with it.
    pub fn lose(&mut self) -> Option<(u32, usize)> {
        let (id, _) = self.runner.take()?;
        Some((id, std::mem::take(&mut self.given).len()))
    }

    /// Has `command` run; whether there was room for it.
    fn run(&mut self, command: &Command, occasion: Occasion, filling: &Filling<'_>) -> bool {
        let Some(limit) = self.limit else { return true };
        if self.waiting.len() + self.given.len() >= MAX_COMMANDS {
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
            // One that is broken is found when it is heard.
            drop(self.give(run));
        } else {
            self.waiting.push_back(run);
        }
        true
    }

    fn give(&mut self, run: Run) -> Result<(), Broken> {
        let Some((_, channel)) = &mut self.runner else { return Ok(()) };
        let program = run.words.first().cloned().unwrap_or_default();
        self.given.insert(run.id, (program, run.door.clone()));
        channel.queue(&ToRunner::Run(run), None)?;
        channel.flush()
    }

    /// Hears the runner out, and sends on what waits. It can tell the end of
    /// each command once, and nothing else.
    ///
    /// # Errors
    /// [`Broken`]: it is not to be listened to any more.
    pub fn recv(&mut self, log: &mut Log, now: Monotonic) -> Result<(), Broken> {
        let Some((_, channel)) = &mut self.runner else { return Ok(()) };
        while let Some(FromRunner::Ended { id, outcome }) = channel.recv()? {
            let (command, door) = self.given.remove(&id).ok_or(Broken::Senseless)?;
            let (command, door) = (command.as_str(), door.as_str());
            match outcome {
                Outcome::Exited(0) => {}
                Outcome::Dropped => log.drop_command(command, door, now),
                how => log.say_often(&Event::CommandFailed { command, door, how: &how }, now),
            }
        }
        channel.flush()
    }

    /// Hears what was said until now, and has the runner know that nobody
    /// hears the rest; says what no runner came for.
    pub fn give_up(&mut self, log: &mut Log, now: Monotonic) {
        // One that is gone has nothing to say.
        drop(self.recv(log, now));
        drop(self.channel().map(Channel::shut_read));
        if self.channel().is_some_and(Channel::has_output) {
            log.say(&Event::CommandsUntold);
        }
        drop(self.recv(log, now));
        for run in self.waiting.drain(..) {
            let program = run.words.first().map_or("", String::as_str);
            log.drop_command(program, &run.door, now);
        }
    }
}

impl Keeper {
    /// Has run what is to be run when a door opens for `span`.
    pub(super) fn run_opened(
        &mut self,
        policy: &Policy,
        key: LeaseKey,
        holder: Holder,
        span: Duration,
        now: Monotonic,
    ) {
        if let Some(door) = policy.door(key.door) {
            let user = name_of(policy, holder);
            self.run(door, Occasion::Open, key.address, user, span, now);
        }
    }

    /// Has run what is to be run when a door closes that was open for `span`.
    pub(super) fn run_closed(
        &mut self,
        policy: &Policy,
        key: LeaseKey,
        holder: Holder,
        span: Duration,
        now: Monotonic,
    ) {
        if let Some(door) = policy.door(key.door) {
            let user = name_of(policy, holder);
            self.run(door, Occasion::Close, key.address, user, span, now);
        }
    }

    /// What the runner says next.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn hear_runner(&mut self, now: Monotonic) -> Result<(), Broken> {
        self.commands.recv(&mut self.log, now)
    }

    pub(super) fn run(
        &mut self,
        door: &Door,
        occasion: Occasion,
        address: IpAddr,
        user: &str,
        span: Duration,
        now: Monotonic,
    ) {
        let command = match occasion {
            Occasion::Open => &door.commands.on_open,
            Occasion::Close => &door.commands.on_close,
        };
        let Some(command) = command else { return };
        let filling = Filling { address, door: &door.name, user, seconds: span.as_secs() };
        if !self.commands.run(command, occasion, &filling) {
            self.log.drop_command(command.program(), &door.name, now);
        }
    }
}

fn name_of(policy: &Policy, holder: Holder) -> &str {
    let user = holder.user().and_then(|user| policy.user(user));
    user.map_or(NOBODY, |user| &user.name)
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

    /// Asks for `count` commands; returns how many were taken.
    fn ask(commands: &mut Commands, count: u32) -> usize {
        let command = Command::new(&["/bin/true".into(), "x".repeat(256)], "ssh").unwrap();
        let filling =
            Filling { address: [192, 0, 2, 7].into(), door: "ssh", user: NOBODY, seconds: 60 };
        let mut taken = 0;
        for _ in 0..count {
            taken += usize::from(commands.run(&command, Occasion::Open, &filling));
        }
        taken
    }

    fn commands() -> Commands {
        let mut commands = Commands::default();
        commands.limit(Some(Duration::from_secs(1)));
        commands
    }

    /// A runner that the test plays.
    fn adopted(commands: &mut Commands) -> Channel<OwnedFd> {
        let (ours, theirs) = Channel::pair(0).unwrap();
        commands.adopt(1, ours).unwrap();
        Channel::new(theirs, crate::message::runner::MAX_BLOB)
    }

    fn tell(runner: &mut Channel<OwnedFd>, id: u32) {
        let outcome = Outcome::Exited(0);
        runner.queue(&FromRunner::Ended { id, outcome }, None).unwrap();
        runner.finish(PollTimeout::ZERO).unwrap();
    }

    #[test]
    fn no_more_wait_for_a_runner_than_one_takes() {
        let mut commands = commands();
        assert_eq!(ask(&mut commands, 300), MAX_COMMANDS);
        let mut runner = adopted(&mut commands);
        let ToRunner::Run(first) = runner.wait().unwrap() else { unreachable!() };
        tell(&mut runner, first.id);
        assert_eq!(ask(&mut commands, 300), 0, "it was not heard yet");
        commands.recv(&mut log(), now()).unwrap();
        assert_eq!(ask(&mut commands, 300), 1);
    }

    #[test]
    fn a_runner_that_does_not_read_is_not_waited_for() {
        let mut commands = commands();
        let _runner = adopted(&mut commands);
        assert_eq!(ask(&mut commands, 300), MAX_COMMANDS);
        commands.recv(&mut log(), now()).unwrap();
        assert_eq!(commands.lose(), Some((1, MAX_COMMANDS)));
    }

    #[test]
    fn a_runner_can_tell_the_end_of_a_command_once_and_of_no_other() {
        for lie in [1, 7] {
            let mut commands = commands();
            let mut runner = adopted(&mut commands);
            assert_eq!(ask(&mut commands, 1), 1);
            tell(&mut runner, 1);
            commands.recv(&mut log(), now()).unwrap();
            tell(&mut runner, lie);
            let heard = commands.recv(&mut log(), now());
            assert!(matches!(heard, Err(Broken::Senseless)), "{lie}");
        }
    }

    #[test]
    fn without_a_runner_to_come_nothing_waits() {
        let mut commands = Commands::default();
        assert_eq!(ask(&mut commands, 300), 300);
        assert!(commands.waiting.is_empty());
    }
}
