//! How the keeper's process begins: it acquires, confines itself, and restores
//! what an earlier run left.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Service;
use super::clock::Clock;
use super::engines::Engines;
use crate::capture::{Capture, Change};
use crate::config::{Config, Files};
use crate::control::server::Server;
use crate::core::door::Door;
use crate::core::interest;
use crate::core::policy::{OnRemove, Policy};
use crate::core::time::{BootId, Now};
use crate::firewall::Firewall;
use crate::keep::journal::{self, Journal};
use crate::keep::leases::{self, Nothing, Recovered};
use crate::keep::recovery;
use crate::log::Log;
use crate::message::channel::Channel;
use crate::process::keeper::Keeper;
use crate::process::keeper::doors::{Books, Doors};
use crate::process::keeper::memory::{self, Brought, Memory};
use crate::process::keeper::parent::Parent;
use crate::process::{Failure, signals};
use crate::sys;
use crate::sys::confine::{self, Account, KeeperPaths};
use crate::sys::wait::Waiter;

/// What the parent sends first.
pub(super) struct Begin {
    pub lock: Option<OwnedFd>,
    pub foreground: bool,
    pub verbose: bool,
    pub deaths: u32,
    pub files: Zeroizing<Vec<u8>>,
}

/// What a keeper needs of the system, which its confinement would refuse.
struct Acquired {
    now: Now,
    config: Config,
    account: Option<Account>,
    firewall: Box<dyn Firewall>,
    capture: Capture,
    changes: Vec<Change>,
    control: Server,
    waiter: Waiter,
    boot: BootId,
    journal: Journal<Brought>,
    left: Result<Recovered, Nothing>,
}

impl Acquired {
    fn acquire(begin: &Begin) -> Result<Self, Failure> {
        let cannot = |what: &'static str| move |error: io::Error| Failure::new(what, error);
        signals::leave_to_parent().map_err(cannot("cannot leave signals alone"))?;
        let now = sys::now().map_err(cannot("cannot read the clock"))?;
        let files = Files::decode(&begin.files)
            .map_err(|_| Failure::Because("the parent sent no configuration".into()))?;
        let mut config = memory::understand(files)
            .map_err(|problems| Failure::Because(problems.to_string()))?;
        let account = account(&config)?;
        let firewall = config
            .firewall
            .open()
            .map_err(|error| Failure::new("cannot use the firewall", error))?;
        let (capture, changes) = capture(&config, begin.deaths > 0)?;
        let control = Server::open(&config.directories.run)
            .map_err(cannot("cannot open the control socket"))?;
        let waiter = Waiter::new().map_err(cannot("cannot wait"))?;
        let boot = sys::boot::identity(&config.directories.run)
            .map_err(cannot("cannot tell this boot from another"))?;
        let left = leases::recover(&config.directories.run, boot);
        if config.on_remove == OnRemove::Keep
            && let Ok(left) = &left
        {
            let gone = recovery::doors_gone_from(left, &config.policy, now.monotonic);
            config.policy = retire(config.policy, gone);
        }
        Ok(Self {
            journal: open_journal(&config, boot, now),
            left,
            now,
            config,
            account,
            firewall,
            capture,
            changes,
            control,
            waiter,
            boot,
        })
    }

    fn confine(&self) -> Result<(), Failure> {
        let directories = &self.config.directories;
        let paths = KeeperPaths {
            config: self.config.files.directory(),
            secrets: &directories.secrets,
            state: &directories.state,
            run: &directories.run,
        };
        confine::keeper(&paths).map_err(|error| Failure::Because(error.to_string()))
    }
}

impl Service {
    pub(super) fn start(parent: Channel<io::Stdin>, begin: Begin) -> Result<Self, Failure> {
        let acquired = Acquired::acquire(&begin)?;
        acquired.confine()?;
        let Acquired { now, config, firewall, changes, boot, journal, left, .. } = acquired;

        let Begin { lock, foreground, verbose, deaths, .. } = begin;
        let (log, parent) = (Log::open(foreground, verbose), Parent::new(parent));
        let (policy, books) = (Arc::clone(&config.policy), Books::of_parent(parent.clone()));
        let memory = Memory::new(&policy, journal, log.clone());
        let doors = Doors::new(policy, firewall, books, log.clone());
        let mut service = Self {
            keeper: Keeper::new(doors, memory, log.clone()),
            parent,
            capture: acquired.capture,
            engines: Engines::default(),
            control: acquired.control,
            waiter: acquired.waiter,
            config,
            account: acquired.account,
            foreground,
            verbose,
            began: now,
            boot,
            clock: Clock::default(),
            deaths,
            engine_restarts: 0,
            reloads: 0,
            dropped: 0,
            logged_drops: 0,
            next_look: None,
            last_failure: None,
            is_ready: false,
            has_failed: false,
            log,
            _lock: lock,
        };
        if let Err(failure) = service.prepare(&changes, left, now) {
            // What was changed in the firewall so far is undone.
            service.keeper.close_all(now);
            return Err(failure);
        }
        Ok(service)
    }

    /// Logs what is doubtful, checks the firewall, and restores what an earlier
    /// run left.
    fn prepare(
        &mut self,
        changes: &[Change],
        left: Result<Recovered, Nothing>,
        now: Now,
    ) -> Result<(), Failure> {
        self.log_warnings();
        let Keeper { doors, memory, .. } = &mut self.keeper;
        memory.report_loss(&self.config.policy);
        memory.report_trouble(now.monotonic);
        memory.use_lists(&self.config.lists);
        if self.config.enable_pf {
            doors.enable(&self.config.directories.run).map_err(Failure::Because)?;
        }
        doors.create_tables(self.config.create_tables);
        doors.commands().limit(self.config.runner.as_ref().map(|runner| runner.time_limit));
        doors
            .announce_tables()
            .map_err(|error| Failure::new("cannot reach the parent", error))?;
        doors
            .survey(&self.capture.names(), now.monotonic)
            .map_err(|error| Failure::new("cannot use the firewall", error))?;
        let (run, on_remove) = (&self.config.directories.run, self.config.on_remove);
        doors.restore(run, self.boot, left, on_remove, now.monotonic);
        self.log_changes(changes);
        self.start_engine(now).map_err(|error| Failure::new("cannot start an engine", error))
    }
}

fn open_journal(config: &Config, boot: BootId, now: Now) -> Journal<Brought> {
    let policy = &config.policy;
    let capacity = journal::capacity(policy.remembered_count());
    Journal::open(&config.directories.state, boot, capacity, policy.max_skew(), now)
}

/// The account that the engine becomes; none if the firewall only pretends.
pub(super) fn account(config: &Config) -> Result<Option<Account>, Failure> {
    if !config.firewall.backend().enforces {
        return Ok(None);
    }
    let account = Account::named(&config.user);
    account.map(Some).map_err(|error| Failure::Because(error.to_string()))
}

/// Captures on the interfaces of `config`. A keeper that replaces a dead one does
/// not insist on any: users of the others still need it.
fn capture(config: &Config, again: bool) -> Result<(Capture, Vec<Change>), Failure> {
    let mut wanted = config.interfaces.clone();
    if again {
        wanted.iter_mut().for_each(|wanted| wanted.required = false);
    }
    Capture::new(wanted, interest::of(&config.policy))
        .map_err(|error| Failure::Because(error.to_string()))
}

/// `policy` with doors for leases that outlive them. Nobody else has it yet.
pub(super) fn retire(policy: Arc<Policy>, gone: Vec<Door>) -> Arc<Policy> {
    match Arc::try_unwrap(policy) {
        Ok(policy) => Arc::new(policy.with_retired(gone)),
        Err(policy) => policy,
    }
}
