//! The runner as a child process: started for a keeper, replaced when it dies,
//! and ended some time after its keeper.

use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::Parent;
use super::children::Program;
use crate::config::{self, Config};
use crate::core::time::Monotonic;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::parent::ToKeeper;
use crate::message::runner::ToRunner;
use crate::process::Role;
use crate::process::backoff::Backoff;
use crate::process::runner::{GRACE, UNREPORTED};
use crate::sys;
use crate::sys::confine::{Account, ConfineError};
use crate::sys::wait::Wish;

/// How long a runner may live without a keeper before it is killed. Unless it is
/// stuck, it ends by itself before.
const PATIENCE: Duration = GRACE.saturating_add(Duration::from_secs(2));

/// The process that runs commands.
pub struct Runner {
    /// The account that it becomes; none if the firewall only pretends.
    account: Option<Account>,
    foreground: bool,
    /// The number of the last one, as the keeper knows it.
    id: u32,
    child: Option<Child>,
    /// Whether we killed it: then its exit status is not logged.
    is_killed: bool,
    backoff: Backoff,
    /// No other is started before then.
    restart: Option<Monotonic>,
    /// When to kill it, after its keeper is gone.
    end: Option<Monotonic>,
}

impl Runner {
    /// The runner of `config`, not yet started; none if no door has commands.
    ///
    /// # Errors
    /// When its account is missing, or has root's rights.
    pub fn of(config: &Config, foreground: bool) -> Result<Option<Self>, ConfineError> {
        let Some(config::RunnerConfig { user, .. }) = &config.runner else { return Ok(None) };
        // Only root can become another account.
        let is_trial = !config.firewall.backend().enforces && !nix::unistd::geteuid().is_root();
        let account = if is_trial { None } else { Some(Account::named(user)?) };
        if let Some(account) = account {
            let engine = Account::named(&config.user)?;
            check_other((user, account), (&config.user, engine))?;
        }
        Ok(Some(Self {
            account,
            foreground,
            id: 0,
            child: None,
            is_killed: false,
            backoff: Backoff::default(),
            restart: None,
            end: None,
        }))
    }

    /// Starts one. Returns its number, and the keeper's end of its channel.
    fn start(&mut self, program: &Program) -> Result<(u32, OwnedFd), Broken> {
        let (mut channel, theirs) = Channel::pair(0)?;
        let account = self.account.map(|account| (account.uid.as_raw(), account.gid.as_raw()));
        // Nobody reads it yet, but the socket has room for it.
        channel.send(&ToRunner::Start { foreground: self.foreground, account }, None)?;
        let stderr = if self.foreground { Stdio::inherit() } else { Stdio::null() };
        self.child = Some(program.start(Role::Runner, theirs, stderr)?);
        self.id = self.id.wrapping_add(1);
        self.is_killed = false;
        self.end = None;
        Ok((self.id, channel.into_socket().into()))
    }

    /// Reaps one that ended, and logs how, unless it succeeded.
    pub fn reap(&mut self, now: Monotonic, log: &Log) {
        let Some(child) = &mut self.child else { return };
        let status = match child.try_wait() {
            Ok(None) => return,
            Ok(Some(status)) => status,
            Err(_) => return self.child = None,
        };
        self.child = None;
        if self.end.take().is_none() {
            // Its keeper lives, so it had no reason to end.
            self.restart = Some(self.backoff.after_death(now));
        }
        if status.code() == Some(UNREPORTED.into()) {
            log.write(&Event::CommandsUnreported);
        } else if !status.success() && !self.is_killed {
            log.write(&Event::RunnerDied { how: &status.to_string() });
        }
    }

    /// Kills one that lives too long without a keeper.
    fn kill_overdue(&mut self, now: Monotonic, log: &Log) {
        if !self.is_killed && self.end.is_some_and(|end| end <= now) {
            self.kill_any();
            log.write(&Event::CommandsUnreported);
        }
    }

    /// Kills number `id`, if it is still there.
    pub fn kill(&mut self, id: u32) {
        if self.id == id {
            self.kill_any();
        }
    }

    /// Kills it.
    fn kill_any(&mut self) {
        self.is_killed = true;
        if let Some(child) = &mut self.child {
            drop(child.kill());
        }
    }

    /// Gives it [`PATIENCE`] from now on, because its keeper is gone.
    pub fn leave(&mut self, now: Monotonic) {
        if self.child.is_some() {
            self.end.get_or_insert(now + PATIENCE);
        }
    }

    /// When there is something to do. `may_start` is whether one may be started.
    pub fn next_deadline(&self, may_start: bool) -> Option<Monotonic> {
        let restart = self.restart.filter(|_| may_start && self.child.is_none());
        let end = self.end.filter(|_| !self.is_killed);
        [end, restart].into_iter().flatten().min()
    }

    /// Whether one is due to be started.
    fn is_wanted(&self, now: Monotonic) -> bool {
        self.child.is_none() && self.restart.is_none_or(|due| due <= now)
    }
}

/// Fails unless runner and engine are two accounts: a command could send signals
/// to the engine, and worse. Two names may be one account.
fn check_other(runner: (&str, Account), engine: (&str, Account)) -> Result<(), ConfineError> {
    let ((runner, one), (engine, other)) = (runner, engine);
    if one.uid != other.uid {
        return Ok(());
    }
    let text = format_args!("{runner} and {engine} are one account, name another in runner");
    Err(ConfineError::because(text))
}

impl Parent {
    /// Keeps a runner alive as long as there is a keeper.
    pub(super) fn supervise_runner(&mut self, now: Monotonic) {
        let Some(runner) = &mut self.runner else { return };
        runner.reap(now, &self.log);
        runner.kill_overdue(now, &self.log);
        if self.stop.is_some() || self.children.keeper().is_none() || !runner.is_wanted(now) {
            return;
        }
        match runner.start(self.children.program()) {
            // If the keeper is dying, the runner finds its channel closed.
            Ok((id, channel)) => {
                let _ = self.children.hand_over(&ToKeeper::Runner { id }, channel);
            }
            Err(error) => {
                self.log.write(&Event::CannotStart { what: "the runner", error: &error });
                runner.restart = Some(runner.backoff.after_death(now));
            }
        }
    }

    /// Waits until the runner has run what the keeper left, and kills it when it is
    /// late.
    pub(super) fn end_runner(&mut self) {
        let Some(mut runner) = self.runner.take() else { return };
        while let Ok(now) = sys::now() {
            runner.leave(now.monotonic);
            runner.reap(now.monotonic, &self.log);
            runner.kill_overdue(now.monotonic, &self.log);
            if runner.child.is_none() {
                return;
            }
            let deadline = runner.next_deadline(false);
            if self.waiter.wait(&[Wish::read((), &self.signals)], deadline).is_err() {
                break;
            }
            self.signals.take();
        }
        if let Some(mut child) = runner.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Gid, Uid};

    #[test]
    fn two_names_of_one_account_are_refused() {
        let account = |uid, gid| Account { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) };
        let refused = check_other(("notify", account(7, 7)), ("_knockd", account(7, 8)));
        let refused = refused.unwrap_err().to_string();
        assert_eq!(refused, "notify and _knockd are one account, name another in runner");
        assert!(check_other(("notify", account(7, 7)), ("_knockd", account(8, 7))).is_ok());
    }
}
