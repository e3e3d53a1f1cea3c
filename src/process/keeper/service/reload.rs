//! A new configuration in place of the old one, or nothing at all.

use std::sync::Arc;

use super::start::{account, retire};
use super::{Keeper, Service};
use crate::capture::Change;
use crate::config::{self, Config};
use crate::core::interest;
use crate::core::policy::OnRemove;
use crate::core::time::Now;
use crate::log::event::Event;
use crate::message::parent::FromKeeper;
use crate::sys;

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
                self.reloads += 1;
                self.log.write(&Event::Reloaded { doors });
            }
            Err(lines) => {
                for text in lines {
                    self.log.write(&Event::NotReloaded { text });
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
        // Reading may have taken a while.
        let now = sys::now().unwrap_or(now);
        check_fixed(&self.config, &config).map_err(one)?;
        if config.on_remove == OnRemove::Keep {
            let gone = self.keeper.doors.leases().doors_gone_from(&config.policy);
            config.policy = retire(config.policy, gone);
        }
        let account = account(&config).map_err(|failure| one(failure.to_string()))?;
        // Beside the old one: from here on packets come to both.
        let (capture, mut changes) = self
            .capture
            .reopen(config.interfaces.clone(), interest::of(&config.policy))
            .map_err(|error| one(error.to_string()))?;

        // Nothing can go wrong any more that would call for the old one.
        // Only what is new is news.
        let known = self.capture.names();
        changes.retain(
            |change| !matches!(change, Change::Attached { name, .. } if known.contains(name)),
        );
        self.capture = capture;
        self.account = account;
        self.config = config;
        self.log_warnings();
        self.follow(now);
        self.log_changes(&changes);
        self.parent.notify(&FromKeeper::Keep { files: self.config.files.encode() });
        self.engines.want();
        Ok(())
    }

    /// Hands the new configuration to the owners.
    fn follow(&mut self, now: Now) {
        let Config { policy, lists, directories, .. } = &self.config;
        let Keeper { doors, memory, .. } = &mut self.keeper;
        memory.follow(policy, lists, now);
        doors.create_tables(self.config.create_tables);
        doors.commands().limit(self.config.runner.as_ref().map(|runner| runner.time_limit));
        let (policy, run) = (Arc::clone(policy), (&*directories.run, self.boot));
        doors.follow(policy, self.config.on_remove, run, now.monotonic);
    }
}

/// Refuses changes of what is open already, or of what a process has become.
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
