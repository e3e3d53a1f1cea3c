//! The keeper's process: acquires, confines itself, and serves the engine,
//! administrators and the parent.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Keeper;
use super::books::Books;
use super::clock::Clock;
use super::engines::Engines;
use super::once;
use crate::capture::{Capture, Change};
use crate::config::{Config, Files};
use crate::control::server::{Caller, Server};
use crate::core::interest;
use crate::core::time::{BootId, Monotonic, Now};
use crate::log::Log;
use crate::log::event::Event;
use crate::message::VERSION;
use crate::message::channel::{Broken, Channel};
use crate::message::packet::MAX_BLOB;
use crate::message::parent::ToKeeper;
use crate::process::{Failure, complain, signals};
use crate::sys::confine::{self, Account, KeeperPaths};
use crate::sys::wait::{Ready, Waiter, Wish};
use crate::{faults, keep, sys};

/// How soon interfaces are looked for again when the system could not be
/// asked, or let none be captured on.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Messages of one engine that are heard before anything else has its turn.
pub(super) const MESSAGE_BUDGET: usize = 256;

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

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Parent,
    Engine(u32),
    Runner,
    Interfaces,
    Caller(Caller),
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
    pub(super) told_dropped: u64,
    pub(super) deaths: u32,
    pub(super) clock: Clock,
    pub(super) control: Server,
    pub(super) waiter: Waiter,
    /// When to look for interfaces again although nothing announced a change.
    pub(super) next_look: Option<Monotonic>,
    /// When an engine last said that it could not read.
    pub(super) last_failure: Option<Monotonic>,
    pub(super) is_ready: bool,
    /// With the parent's, the sign that somebody looks after the doors.
    _lock: Option<OwnedFd>,
    pub(super) boot: BootId,
}

impl Service {
    fn start(parent: Channel<io::Stdin>, begin: Begin) -> Result<Self, Failure> {
        let Begin { lock, foreground, verbose, deaths, files } = begin;
        let cannot = |what: &'static str| move |error: io::Error| Failure::new(what, error);
        signals::leave_to_parent().map_err(cannot("cannot leave signals alone"))?;
        let now = sys::now().map_err(cannot("cannot read the clock"))?;
        let files = Files::decode(&files)
            .map_err(|_| Failure::Because("the parent sent no configuration".into()))?;
        let config = once::understand(files)
            .map_err(|problems| Failure::Because(problems.to_string()))?;
        let account = account(&config)?;
        let firewall = config
            .firewall
            .open()
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
        boot: BootId,
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
        keeper.use_lists(&self.config.lists);
        let runner = self.config.runner.as_ref();
        keeper.commands.limit(runner.map(|runner| runner.time_limit));
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
        // No door waits for this any more.
        self.finish_commands();
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
        // Doors first: under any traffic they close on time.
        let now = sys::now()?;
        self.keeper.tick(now.monotonic);
        self.keeper.try_journal(now);
        self.clock.look(now);
        let (mut are_changed, mut callers) = (false, Vec::new());
        for Ready { who, write, .. } in ready {
            match who {
                Who::Parent if !self.hear_parent(now) => return Ok(false),
                Who::Parent => {}
                Who::Engine(id) => self.hear_engine(id, write, now),
                Who::Runner => self.hear_runner(now.monotonic),
                Who::Interfaces => are_changed = true,
                Who::Caller(caller) => callers.push(caller),
            }
        }
        self.keep_struck();
        self.look(are_changed, now.monotonic);
        self.serve_control(&callers, now);
        self.engine_chores(now);
        Ok(true)
    }

    fn wait(&mut self) -> io::Result<Vec<Ready<Who>>> {
        let deadline = [
            self.keeper.next_deadline(),
            self.engines.next_deadline(),
            self.control.next_deadline(),
            self.next_look,
        ];
        let Keeper { books, commands, .. } = &mut self.keeper;
        let parent = books.parent().map(|parent| &*parent);
        // What is left over from the last turn is not announced again.
        let left = parent.filter(|parent| parent.has_input()).map(|_| Who::Parent);
        let engines = self.engines.iter().filter(|engine| engine.channel().has_input());
        let left: Vec<_> =
            left.into_iter().chain(engines.map(|engine| Who::Engine(engine.id))).collect();
        let deadline = match left.is_empty() {
            true => deadline.into_iter().flatten().min(),
            false => Some(Monotonic::default()),
        };
        let mut wishes: Vec<Wish<'_, Who>> = Vec::new();
        wishes.extend(parent.map(|parent| Wish::read(Who::Parent, parent)));
        wishes.extend(self.engines.iter().map(|engine| Wish {
            write: engine.channel().has_output(),
            ..Wish::read(Who::Engine(engine.id), engine.channel())
        }));
        wishes.extend(commands.wish(Who::Runner));
        wishes.push(Wish { who: Who::Interfaces, fd: self.capture.watch(), write: false });
        let callers = self.control.fds();
        wishes.extend(callers.map(|(who, fd, write)| Wish {
            who: Who::Caller(who),
            fd,
            write,
        }));
        let mut ready = self.waiter.wait(&wishes, deadline)?;
        for who in left {
            if !ready.iter().any(|ready| ready.who == who) {
                ready.push(Ready { who, read: true, write: false });
            }
        }
        Ok(ready)
    }

    /// Whether to go on.
    fn hear_parent(&mut self, now: Now) -> bool {
        loop {
            let heard = match self.keeper.books.parent() {
                Some(parent) => parent.recv(),
                None => return false,
            };
            match heard {
                Ok(None) => return true,
                Ok(Some(ToKeeper::Reload)) => drop(self.reload(now)),
                Ok(Some(ToKeeper::Runner { id })) => self.adopt_runner(id, now.monotonic),
                // Without a parent nobody would shut what we leave.
                Ok(Some(ToKeeper::Stop | ToKeeper::Start { .. })) | Err(_) => return false,
            }
        }
    }
}

/// The account that the engine becomes: none where nothing is at stake.
pub(super) fn account(config: &Config) -> Result<Option<Account>, Failure> {
    if !config.firewall.backend().enforces {
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
