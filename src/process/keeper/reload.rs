//! A new configuration in place of the old one, or nothing at all.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Keeper;
use super::rates::Rates;
use super::service::{Service, account};
use crate::capture::{Change, filter};
use crate::config::{self, Config};
use crate::core::door::Door;
use crate::core::interest;
use crate::core::lease::{Ended, Leases, Reloaded, Step};
use crate::core::policy::{OnRemove, Policy};
use crate::core::time::{BootId, Monotonic, Now};
use crate::keep::journal;
use crate::log::event::{Ending, Event};
use crate::message::parent::FromKeeper;
use crate::sys;

/// How long to wait at once for what is done beside the leases.
const LONGEST: Duration = Duration::from_secs(1);
/// Not for less: what is due may have to be tried again and again.
const SHORTEST: Duration = Duration::from_millis(1);

impl Service {
    /// Reads the configuration again. Leases stay, unless it forbids them.
    ///
    /// # Errors
    /// Why the old one stays in force, in lines; they are in the log, too.
    pub(super) fn reload(&mut self, now: Now) -> Result<(), Vec<String>> {
        let done = self.try_reload(now);
        match &done {
            Ok(()) => {
                let doors = self.config.policy.doors.len();
                self.keeper.stats.reloads += 1;
                self.keeper.log().say(&Event::Reloaded { doors });
            }
            Err(lines) => {
                for text in lines {
                    self.keeper.log().say(&Event::NotReloaded { text });
                }
            }
        }
        done
    }

    fn try_reload(&mut self, now: Now) -> Result<(), Vec<String>> {
        let one = |text: String| vec![text];
        let path = self.config.files.absolute_path();
        let loaded = self.keeper.beside(|| config::load(&path), || Ok(sys::now()?.monotonic));
        let mut config = loaded
            .map_err(|error| one(format!("cannot read beside the leases: {error}")))?
            .map_err(|problems| problems.lines().collect::<Vec<_>>())?;
        // Reading may have taken its time.
        let now = sys::now().unwrap_or(now);
        check_fixed(&self.config, &config).map_err(one)?;
        filter::check(&interest::of(&config.policy))
            .map_err(|error| one(format!("cannot capture: {error}")))?;
        if config.on_remove == OnRemove::Keep {
            let gone = self.keeper.leases.doors_gone_from(&config.policy);
            config.policy = retire(config.policy, gone);
        }
        let account = account(&config).map_err(|failure| one(failure.to_string()))?;
        // Beside the old one: from here on packets come to both.
        let (capture, mut changes) = self
            .capture
            .beside(config.interfaces.clone(), interest::of(&config.policy))
            .map_err(|error| one(error.to_string()))?;

        // Nothing can go wrong any more that would call for the old one.
        // Only what is new is news.
        let known = self.capture.names();
        changes.retain(
            |change| !matches!(change, Change::Attached { name, .. } if known.contains(name)),
        );
        self.capture = capture;
        self.account = account;
        for warning in config.warnings.lines() {
            self.keeper.log().say(&Event::Doubtful { text: &warning });
        }
        self.config = config;
        self.keeper.follow(&self.config, self.boot, now);
        self.say_changes(&changes);
        if let Some(parent) = self.keeper.books.parent() {
            // If it is gone, the next turn tells.
            drop(parent.send(&FromKeeper::Keep { files: self.config.files.encode() }, None));
        }
        if let Err(error) = self.start_engine(now) {
            self.keeper.log().say(&Event::CannotStart { what: "an engine", error: &error });
            self.engines.put_off(now.monotonic);
        }
        Ok(())
    }
}

/// What a reload cannot change: others hold it open, or have become it.
fn check_fixed(old: &Config, new: &Config) -> Result<(), String> {
    let user = |config: &Config| config.runner.as_ref().map(|runner| runner.user.clone());
    let changed = if old.firewall != new.firewall {
        "firewall"
    } else if old.directories.run != new.directories.run
        || old.directories.state != new.directories.state
    {
        "directories"
    } else if old.enable_pf != new.enable_pf {
        "enable_pf"
    } else if user(old) != user(new) {
        "runner"
    } else {
        return Ok(());
    };
    Err(format!("a reload cannot change {changed}, restart knockd"))
}

impl Keeper {
    /// Has `work` done by a thread of its own, and ends leases in their time
    /// meanwhile, as `clock` tells it: ten thousand users are read for longer
    /// than a lease may be late.
    ///
    /// # Errors
    /// The system's: no thread, or no clock.
    pub fn beside<T: Send>(
        &mut self,
        work: impl FnOnce() -> T + Send,
        clock: impl Fn() -> io::Result<Monotonic>,
    ) -> io::Result<T> {
        thread::scope(|scope| {
            let (done, awaited) = mpsc::channel();
            let work = move || drop(done.send(work()));
            thread::Builder::new().spawn_scoped(scope, work)?;
            loop {
                let now = clock()?;
                self.tick(now);
                let due = self.next_deadline().map_or(LONGEST, |due| due.since(now));
                match awaited.recv_timeout(due.clamp(SHORTEST, LONGEST)) {
                    Ok(done) => return Ok(done),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
        })
    }

    /// Acts by `config` from now on.
    fn follow(&mut self, config: &Config, boot: BootId, now: Now) {
        let policy = Arc::clone(&config.policy);
        let max_skew = policy.max_skew();
        // Its doors are counted anew.
        self.last_packet = None;
        self.tables.create_missing(config.create_tables);
        self.use_lists(&config.lists);
        self.journal.fit(journal::capacity(policy.remembered_count()), max_skew, now);
        self.commands.limit(config.runner.as_ref().map(|runner| runner.time_limit));
        self.say_journal(now.monotonic);
        self.rates = Rates::new(&policy);
        let leases = std::mem::replace(&mut self.leases, Leases::new(Arc::clone(&policy)));
        let old = std::mem::replace(&mut self.policy, Arc::clone(&policy));
        let after = leases.under(policy, config.on_remove, now.monotonic);
        self.take(after, &old, config, boot, now.monotonic);
        self.check_tables(now.monotonic);
    }

    /// Makes the tables and the books those of the leases `after` a reload.
    /// Entries go in before others go out, and nobody is shut out in between.
    fn take(
        &mut self,
        after: Reloaded,
        old: &Policy,
        config: &Config,
        boot: BootId,
        now: Monotonic,
    ) {
        let Reloaded { leases, ended, steps, .. } = after;
        self.leases = leases;
        // If the parent is gone, the next turn tells.
        drop(self.announce_tables());
        for step in &steps {
            if let Step::Add { key, table, entry } = step {
                match self.tables.stands(table, *entry, now, &mut self.log) {
                    Ok(true) => self.leases.disown(key),
                    _ => drop(self.books.note_owner(&(table.clone(), *entry), false)),
                }
            }
        }
        // On disk before any entry moves.
        self.open_lease_file(&config.directories.run, boot);
        let mut gone = Vec::new();
        for step in steps {
            match step {
                Step::Add { key, table, entry } => {
                    if !self.leases.is_foreign(&key) {
                        let _ = self.tables.add(&table, entry, true, now, &mut self.log);
                    }
                }
                Step::Delete { table, entry } => {
                    if self.tables.delete(&table, entry, now, &mut self.log) {
                        let slot = (table, entry);
                        self.books.gone(&slot);
                        gone.push(slot);
                    }
                }
            }
        }
        self.kill_states_by(old, &gone, now);
        for Ended { key, lease, .. } in ended {
            self.stats.closed += 1;
            let Some(door) = old.door(key.door) else { continue };
            let (after, ending) = (now.since(lease.opened), Ending::Removed);
            self.run_closed(old, key, lease.holder, after, now);
            let (door, address) = (door.name.as_str(), key.address);
            self.log.say_often(&Event::Closed { door, address, after, ending }, now);
        }
    }
}

/// `policy` with doors for leases that outlive them. Nobody else has it yet.
fn retire(policy: Arc<Policy>, gone: Vec<Door>) -> Arc<Policy> {
    match Arc::try_unwrap(policy) {
        Ok(policy) => Arc::new(policy.with_retired(gone)),
        Err(policy) => policy,
    }
}
