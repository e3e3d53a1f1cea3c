//! The keeper's process: acquires, confines itself, and serves the engine,
//! administrators and the parent.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::books::Books;
use super::clock::Clock;
use super::engines::Engines;
use super::{Keeper, Origin};
use crate::capture::{Capture, Change};
use crate::config::{self, Config, Files};
use crate::control::server::Server;
use crate::core::interest;
use crate::core::time::{Monotonic, Now};
use crate::log::Log;
use crate::log::event::Event;
use crate::message::VERSION;
use crate::message::channel::{Broken, Channel};
use crate::message::engine::{FromEngine, ToEngine};
use crate::message::packet::MAX_BLOB;
use crate::message::parent::{FromKeeper, ToKeeper};
use crate::process::confine::{self, Account, KeeperPaths};
use crate::process::wait::{Ready, Waiter, Wish};
use crate::process::{Failure, complain, signals};
use crate::{faults, firewall, keep, sys};

/// How soon interfaces are looked for again when the system could not be
/// asked, or let none be captured on.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Messages of one engine that are heard before anything else has its turn.
const MESSAGE_BUDGET: usize = 256;

/// The keeper's life, from its first message to its exit code.
#[must_use]
pub fn run() -> ExitCode {
    faults::role("keeper");
    let mut parent = Channel::of_child(MAX_BLOB);
    let start = match parent.wait() {
        Ok(start) => start,
        Err(Broken::Senseless) => {
            complain(format_args!(
                "knockd {VERSION} was started by another version, restart it"
            ));
            return ExitCode::FAILURE;
        }
        Err(_) => return ExitCode::FAILURE,
    };
    let ToKeeper::Start { foreground, verbose, deaths, files } = start else {
        return ExitCode::FAILURE;
    };
    let begin = Begin { lock: parent.descriptor(), foreground, verbose, deaths, files };
    match Service::start(parent, begin).and_then(|mut service| service.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Said) => ExitCode::FAILURE,
        Err(Failure::Because(text)) => {
            if deaths > 0 {
                Log::open(foreground, verbose).say(&Event::CannotGoOn { error: &text });
            } else {
                complain(text);
            }
            ExitCode::FAILURE
        }
    }
}

/// What the parent says at the beginning.
struct Begin {
    lock: Option<OwnedFd>,
    foreground: bool,
    verbose: bool,
    deaths: u32,
    files: Zeroizing<Vec<u8>>,
}

/// Everything that the keeper's process is.
pub(super) struct Service {
    pub(super) keeper: Keeper,
    pub(super) capture: Capture,
    pub(super) engines: Engines,
    pub(super) config: Config,
    pub(super) account: Option<Account>,
    pub(super) foreground: bool,
    pub(super) verbose: bool,
    pub(super) began: Now,
    /// Packets that the kernel dropped, since the start.
    pub(super) dropped: u64,
    /// Those of the present descriptors that were told already.
    told_dropped: u64,
    pub(super) deaths: u32,
    pub(super) clock: Clock,
    pub(super) control: Server,
    waiter: Waiter,
    /// When to look for interfaces again although nothing announced a change.
    next_look: Option<Monotonic>,
    /// When an engine last said that it could not read.
    last_failure: Option<Monotonic>,
    is_ready: bool,
    /// With the parent's, the sign that somebody looks after the doors.
    _lock: Option<OwnedFd>,
    pub(super) boot: keep::BootId,
}

impl Service {
    fn start(parent: Channel<io::Stdin>, begin: Begin) -> Result<Self, Failure> {
        let Begin { lock, foreground, verbose, deaths, files } = begin;
        let cannot = |what: &'static str| move |error: io::Error| Failure::new(what, error);
        signals::leave_to_parent().map_err(cannot("cannot leave signals alone"))?;
        let now = sys::now().map_err(cannot("cannot read the clock"))?;
        let files = Files::decode(&files)
            .ok_or_else(|| Failure::Because("the parent sent no configuration".into()))?;
        let config = config::parse_files(&files)
            .map_err(|problems| Failure::Because(problems.to_string()))?;
        let account = account(&config)?;
        let firewall = firewall::open(&config.firewall)
            .map_err(|error| Failure::new("cannot use the firewall", error))?;
        let (capture, changes) = capture(&config, deaths > 0)?;
        let control = Server::open(&config.directories.run)
            .map_err(cannot("cannot open the control socket"))?;
        let waiter = Waiter::new().map_err(cannot("cannot wait"))?;
        let boot = sys::boot::identity(&config.directories.run)
            .map_err(cannot("cannot tell this boot from another"))?;
        let journal = super::restore::journal(&config, boot, now);
        let left = keep::leases::recover(&config.directories.run, boot);
        let paths = KeeperPaths {
            config: config.files.directory(),
            secrets: &config.directories.secrets,
            state: &config.directories.state,
            run: &config.directories.run,
        };
        confine::keeper(&paths).map_err(|error| Failure::Because(error.to_string()))?;

        let log = Log::open(foreground, verbose);
        let books = Books::of_parent(parent);
        let keeper = Keeper::new(Arc::clone(&config.policy), firewall, journal, books, log);
        let mut service = Self {
            keeper,
            capture,
            engines: Engines::default(),
            config,
            account,
            foreground,
            verbose,
            began: now,
            dropped: 0,
            told_dropped: 0,
            deaths,
            clock: Clock::default(),
            control,
            waiter,
            next_look: None,
            last_failure: None,
            is_ready: false,
            _lock: lock,
            boot,
        };
        let prepared = service.prepare(&changes, boot, left, now);
        if let Err(failure) = prepared {
            // What was taken from the firewall so far goes back.
            service.keeper.close_all(now);
            return Err(failure);
        }
        Ok(service)
    }

    /// Says what is doubtful, has the firewall looked at, and takes up what an
    /// earlier run left.
    fn prepare(
        &mut self,
        changes: &[Change],
        boot: keep::BootId,
        left: Result<keep::leases::Recovered, keep::leases::Nothing>,
        now: Now,
    ) -> Result<(), Failure> {
        let keeper = &mut self.keeper;
        for warning in self.config.warnings.lines() {
            keeper.log().say(&Event::Doubtful { text: &warning });
        }
        keeper.say_loss();
        keeper.say_journal(now.monotonic);
        if self.config.enable_pf {
            keeper.enable(&self.config.directories.run).map_err(Failure::Because)?;
        }
        keeper.create_tables(self.config.create_tables);
        keeper
            .announce_tables()
            .map_err(|error| Failure::new("cannot reach the parent", error))?;
        keeper
            .survey(&self.capture.names(), now.monotonic)
            .map_err(|error| Failure::new("cannot use the firewall", error))?;
        keeper.restore(&self.config.directories.run, boot, left, now.monotonic);
        self.say_changes(changes);
        self.start_engine(now).map_err(|error| Failure::new("cannot start an engine", error))
    }

    /// Serves until told to stop; then shuts every door. What goes wrong is
    /// in the log when it returns.
    fn serve(&mut self) -> Result<(), Failure> {
        let mut end = self.serve_until_stopped();
        // Whatever ended the loop, no door stays open.
        self.keeper.log().say(&Event::Stopping);
        let left = self.keeper.close_all(sys::now().unwrap_or(self.began));
        if left > 0 && end.is_ok() {
            let text = format!("{left} entries are still in their tables, delete them by hand");
            end = Err(io::Error::other(text));
        }
        end.map_err(|error| {
            self.keeper.log().say(&Event::CannotGoOn { error: &error });
            Failure::Said
        })
    }

    fn serve_until_stopped(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Waits for something to do, and does it. Whether to go on.
    fn turn(&mut self) -> io::Result<bool> {
        let ready = self.wait()?;
        let mut ready = ready.into_iter();
        let parent = ready.next().is_some_and(|ready| ready.read);
        let watch = ready.next().is_some_and(|ready| ready.read);
        let engines: Vec<Ready> = ready.by_ref().take(self.engines.iter().count()).collect();
        // Doors first: under any traffic they close on time.
        let now = sys::now()?;
        self.keeper.tick(now.monotonic);
        self.keeper.try_journal(now);
        self.clock.look(now);
        if parent && !self.hear_parent(now) {
            return Ok(false);
        }
        self.hear_engines(&engines, now);
        self.look(watch, now.monotonic);
        let ready: Vec<bool> = ready.map(|ready| ready.read || ready.write).collect();
        self.serve_control(&ready, now);
        self.engine_chores(now);
        Ok(true)
    }

    fn wait(&mut self) -> io::Result<Vec<Ready>> {
        let deadline = [
            self.keeper.next_deadline(),
            self.engines.next_deadline(),
            self.control.next_deadline(),
            self.next_look,
        ];
        // What is left over from the last turn is not announced again.
        let mut left =
            vec![self.keeper.books.parent().is_some_and(|parent| parent.has_input())];
        left.push(false);
        left.extend(self.engines.iter().map(|engine| engine.channel().has_input()));
        let deadline = match left.contains(&true) {
            true => Some(Monotonic::default()),
            false => deadline.into_iter().flatten().min(),
        };
        let parent = self.keeper.books.parent();
        let mut wishes: Vec<Wish<'_>> =
            parent.map(|parent| Wish::read(&*parent)).into_iter().collect();
        wishes.push(Wish::read_fd(self.capture.watch()));
        wishes.extend(self.engines.iter().map(|engine| Wish {
            write: engine.channel().has_output(),
            ..Wish::read(engine.channel())
        }));
        wishes.extend(self.control.fds().map(|(fd, write)| Wish { fd, write }));
        let mut ready = self.waiter.wait(&wishes, deadline)?;
        for (ready, left) in ready.iter_mut().zip(left) {
            ready.read |= left;
        }
        Ok(ready)
    }

    /// Whether to go on.
    fn hear_parent(&mut self, now: Now) -> bool {
        loop {
            let heard = match self.keeper.books.parent() {
                Some(parent) => parent.hear(),
                None => return false,
            };
            match heard {
                Ok(None) => return true,
                Ok(Some(ToKeeper::Reload)) => drop(self.reload(now)),
                // Without a parent nobody would shut what we leave.
                Ok(Some(ToKeeper::Stop | ToKeeper::Start { .. })) | Err(_) => return false,
            }
        }
    }

    fn hear_engines(&mut self, ready: &[Ready], now: Now) {
        let mut broken = Vec::new();
        for (place, ready) in ready.iter().enumerate() {
            if ready.write
                && let Err(error) = self.engines.flush(place)
            {
                broken.extend(self.engines.get(place).map(|engine| (engine.id, error)));
            } else if ready.read
                && let Err(error) = self.hear_engine(place, now)
            {
                broken.extend(self.engines.get(place).map(|engine| (engine.id, error)));
            }
        }
        for (id, error) in broken {
            self.lose_engine(id, &error, now.monotonic);
        }
    }

    fn hear_engine(&mut self, place: usize, now: Now) -> Result<(), Broken> {
        for _ in 0..MESSAGE_BUDGET {
            let Some(engine) = self.engines.get(place) else { return Ok(()) };
            let Some(message) = engine.hear()? else { return Ok(()) };
            let (id, policy) = (engine.id, self.keeper.policy());
            match message {
                FromEngine::Serving => self.be_served(id, now.monotonic),
                FromEngine::Open { claim, source, seen } => {
                    // Each grant has its own time, as each packet had.
                    let now = sys::now().unwrap_or(now);
                    if let Some(claim) = engine.translate(claim, &policy) {
                        self.keeper.open(&claim, &Origin { source, engine: id, seen }, now);
                    }
                }
                FromEngine::Refused { source, refusal } => {
                    let refusal = engine.translate_refusal(refusal, &policy);
                    self.keeper.refuse(source, refusal, now.monotonic);
                }
                FromEngine::Count { reason, times } => {
                    self.keeper.stats.refused.add(reason, times.into());
                }
                FromEngine::Failed { capture } => self.recapture(capture, now.monotonic),
            }
        }
        Ok(())
    }

    /// The newest engine serves; at the first time the daemon is ready.
    fn be_served(&mut self, id: u32, now: Monotonic) {
        if !self.engines.serves(id, now) || self.is_ready {
            return;
        }
        self.is_ready = true;
        let interfaces = self.capture.names().len();
        let doors = self.config.policy.doors.len();
        self.keeper.log().say(&Event::Ready { interfaces, doors });
        if let Some(parent) = self.keeper.books.parent() {
            // If it is gone, the next turn tells.
            drop(parent.send(&FromKeeper::Ready, None));
        }
        if !self.foreground {
            // Nobody is at the terminal any more.
            drop(sys::silence(sys::Silence::Errors));
        }
    }

    /// An engine is gone, or is not listened to any more.
    fn lose_engine(&mut self, id: u32, why: &Broken, now: Monotonic) {
        if let Some(parent) = self.keeper.books.parent() {
            drop(parent.send(&FromKeeper::End { id }, None));
        }
        if self.engines.remove(id, now) {
            self.keeper.stats.engine_restarts += 1;
            self.keeper.log().say(&Event::EngineLost { why });
        }
    }

    fn engine_chores(&mut self, now: Now) {
        for id in self.engines.overdue(now.monotonic) {
            self.lose_engine(id, &Broken::Deaf, now.monotonic);
        }
        if self.engines.is_wanted(now.monotonic)
            && let Err(error) = self.start_engine(now)
        {
            self.keeper.log().say(&Event::CannotStart { what: "an engine", error: &error });
            self.engines.put_off(now.monotonic);
        }
    }

    /// Has the parent start an engine, which gets the configuration and every
    /// capture descriptor. Those that serve already go on until it serves.
    pub(super) fn start_engine(&mut self, now: Now) -> Result<(), Broken> {
        let directory = confine::empty_directory(&self.config.directories.run)?;
        let account = self.account.as_ref();
        let start = ToEngine::Start {
            foreground: self.foreground,
            verbose: self.verbose,
            account: account.map(|account| (account.uid.as_raw(), account.gid.as_raw())),
            barrier: self.keeper.barrier(),
            files: self.config.files.encode(),
            cell: directory.display().to_string(),
        };
        let mut messages = vec![(start, None)];
        for handout in self.capture.attached() {
            messages.push(hand_out(&handout)?);
        }
        let policy = Arc::clone(&self.config.policy);
        let (id, channel) = self.engines.add(policy, messages, now.monotonic)?;
        let parent = self.keeper.books.parent().ok_or(Broken::Ended)?;
        parent.send(&FromKeeper::Engine { id }, Some(channel))
    }

    /// An engine could not read what it was given.
    fn recapture(&mut self, capture: u32, now: Monotonic) {
        // An engine that says so all the time is not to keep us busy.
        let is_often = self.last_failure.is_some_and(|last| now.since(last) < LOOK_INTERVAL);
        if is_often {
            self.next_look.get_or_insert(now + LOOK_INTERVAL);
            return;
        }
        self.last_failure = Some(now);
        let changes = self.capture.failed(capture);
        self.say_changes(&changes);
        self.hand_out_changes(&changes);
    }

    /// Looks at the interfaces, if they changed or a look is due.
    fn look(&mut self, changed: bool, now: Monotonic) {
        if changed || self.next_look.is_some_and(|due| due <= now) {
            let changes = self.capture.refresh();
            self.say_changes(&changes);
            self.hand_out_changes(&changes);
        }
        if !self.capture.has_failed() {
            self.next_look = None;
        } else if self.next_look.is_none_or(|due| due <= now) {
            self.next_look = Some(now + LOOK_INTERVAL);
        }
        let dropped = self.capture.dropped();
        if let Some(more @ 1..) = dropped.checked_sub(self.told_dropped) {
            self.keeper.log().lost_packets(more, now);
            self.dropped += more;
        }
        self.told_dropped = dropped;
    }

    fn hand_out_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Attached { id, .. } => {
                    let handout = self.capture.attached().find(|handout| handout.id == *id);
                    if let Some(Ok((message, fd))) = handout.map(|handout| hand_out(&handout)) {
                        self.engines.tell(&message, fd);
                    }
                }
                Change::Lost { id, .. } => {
                    self.engines.tell(&ToEngine::Release { id: *id }, None);
                }
                Change::Waiting { .. } => {}
            }
        }
    }

    pub(super) fn say_changes(&mut self, changes: &[Change]) {
        for change in changes {
            self.keeper.log().say(&match change {
                Change::Attached { name, .. } => Event::Attached { interface: name },
                Change::Waiting { name, why } => Event::Waiting { interface: name, why },
                Change::Lost { name, .. } => Event::Lost { interface: name },
            });
        }
        if changes.iter().any(|change| matches!(change, Change::Attached { .. }))
            && let Ok(now) = sys::now()
        {
            self.keeper.watch(&self.capture.names(), now.monotonic);
        }
    }
}

/// The message that hands out a capture descriptor, and a copy of it.
fn hand_out(handout: &crate::capture::Handout<'_>) -> io::Result<(ToEngine, Option<OwnedFd>)> {
    let copy = handout.fd.try_clone_to_owned()?;
    confine::limit_capture(std::os::fd::AsFd::as_fd(&copy))?;
    let message = ToEngine::Capture {
        id: handout.id,
        index: handout.index,
        link: handout.link,
        buffer: handout.buffer,
    };
    Ok((message, Some(copy)))
}

/// The account that the engine becomes: none where nothing is at stake.
pub(super) fn account(config: &Config) -> Result<Option<Account>, Failure> {
    if config.firewall == firewall::Choice::Memory {
        return Ok(None);
    }
    let account = Account::named(&config.user);
    account.map(Some).map_err(|error| Failure::Because(error.to_string()))
}

/// Captures what `config` means. A keeper that takes over does not insist on
/// an interface: it would be gone for those who serve through others.
fn capture(config: &Config, again: bool) -> Result<(Capture, Vec<Change>), Failure> {
    let mut wanted = config.interfaces.clone();
    if again {
        wanted.iter_mut().for_each(|wanted| wanted.required = false);
    }
    Capture::new(wanted, interest::of(&config.policy))
        .map_err(|error| Failure::Because(error.to_string()))
}
