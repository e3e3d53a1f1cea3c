//! From a checked configuration to a serving daemon, and to its end.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, write};

use super::engine::{Decision, Engine};
use super::keeper::Keeper;
use super::options::Options;
use super::pidfile::Pidfile;
use super::signals::Signals;
use super::wait::Waiter;
use crate::capture::{Capture, Change, filter};
use crate::config::Config;
use crate::core::gate::Gate;
use crate::core::interest;
use crate::core::policy::Policy;
use crate::core::replay::Replay;
use crate::core::time::{Monotonic, Now};
use crate::firewall;
use crate::log::Log;
use crate::log::event::Event;
use crate::sys::{self, Side};

/// Frames read from one interface before anything else has its turn.
const FRAME_BUDGET: usize = 256;
/// How soon interfaces are looked for again when the system could not be
/// asked, or let none be captured on.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Why the daemon did not start, or did not end well.
#[derive(Debug)]
pub enum Failure {
    /// This is why.
    Because(String),
    /// It was said already, in the log or by the daemon that was split off.
    Said,
}

impl Failure {
    fn new(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Because(format!("{what}: {error}"))
    }
}

/// Whether the kernel would take the capture filter for `policy`.
///
/// # Errors
/// When it would be too long on some kind of interface.
pub fn check_filter(policy: &Policy) -> Result<(), Failure> {
    filter::check(&interest::of(policy)).map_err(|error| Failure::new("cannot capture", error))
}

/// Runs the daemon, in the foreground or split off. In the command that was
/// typed, returns when the daemon is ready; in the daemon, when it ends.
///
/// # Errors
/// What keeps it from starting, as one line. A daemon that was split off
/// says it on the command's standard error.
pub fn run(options: &Options, config: &Config) -> Result<(), Failure> {
    check_filter(&config.policy)?;
    if options.foreground {
        return serve(options, config, None);
    }
    match sys::split().map_err(|error| Failure::new("cannot become a daemon", error))? {
        Side::Daemon(ready) => serve(options, config, Some(ready)),
        Side::Command(mut ready) => {
            let mut byte = [0; 1];
            ready.read_exact(&mut byte).map_err(|_| Failure::Said)
        }
    }
}

fn serve(options: &Options, config: &Config, ready: Option<OwnedFd>) -> Result<(), Failure> {
    // Before anything that a second daemon would disturb the first with.
    let pidfile = options.pidfile.as_deref().map(Pidfile::write).transpose();
    let pidfile = pidfile.map_err(|error| Failure::new("cannot keep the process id", error))?;
    let mut daemon = Daemon::start(options, config)?;
    if let Some(ready) = ready {
        if let Err(error) = detach(&ready) {
            daemon.keeper.close_all(Monotonic::default());
            return Err(Failure::new("cannot leave the terminal", error));
        }
    }
    let end = daemon.serve();
    drop(pidfile);
    end
}

/// Leaves the terminal and lets the waiting command return.
fn detach(ready: &OwnedFd) -> io::Result<()> {
    chdir("/")?;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    write(ready, b"\n")?;
    Ok(())
}

/// Everything that runs.
struct Daemon {
    engine: Engine,
    keeper: Keeper,
    capture: Capture,
    signals: Signals,
    waiter: Waiter,
    doors: usize,
    dropped: u64,
    /// When to look for interfaces again although nothing announced a change.
    next_look: Option<Monotonic>,
}

impl Daemon {
    fn start(options: &Options, config: &Config) -> Result<Self, Failure> {
        let now = sys::now().map_err(|error| Failure::new("cannot read the clock", error))?;
        let policy = Arc::clone(&config.policy);
        let firewall = firewall::open(&config.firewall)
            .map_err(|error| Failure::new("cannot use the firewall", error))?;
        let (capture, changes) = Capture::new(config.interfaces.clone(), interest::of(&policy))
            .map_err(|error| Failure::Because(error.to_string()))?;
        let signals =
            Signals::new().map_err(|error| Failure::new("cannot listen to signals", error))?;
        let waiter = Waiter::new().map_err(|error| Failure::new("cannot wait", error))?;

        // What an earlier run honoured is not known, so gate and keeper believe
        // nothing that it could have honoured.
        let skew = policy.spa.as_ref().map(|spa| spa.max_skew);
        let replay = Replay::after_loss(now, skew.unwrap_or_default());
        let log = if options.foreground {
            Log::to_lines(io::stderr(), options.verbose)
        } else {
            Log::to_syslog(options.verbose)
        };
        let mut daemon = Self {
            engine: Engine::new(Gate::after_loss(Arc::clone(&policy), now)),
            doors: policy.doors.len(),
            keeper: Keeper::new(policy, firewall, replay, log),
            capture,
            signals,
            waiter,
            dropped: 0,
            next_look: None,
        };
        let prepared = daemon.prepare(config, &changes, now.monotonic);
        if let Err(failure) = prepared {
            // What was taken from the firewall so far goes back.
            daemon.keeper.close_all(now.monotonic);
            return Err(failure);
        }
        if let Some(span) = skew {
            daemon.keeper.log().say(&Event::Barrier { span });
        }
        Ok(daemon)
    }

    /// Says what is doubtful, and has the firewall looked at.
    fn prepare(
        &mut self,
        config: &Config,
        changes: &[Change],
        now: Monotonic,
    ) -> Result<(), Failure> {
        for warning in config.warnings.lines() {
            self.keeper.log().say(&Event::Doubtful { text: &warning });
        }
        self.say_changes(changes);
        if config.enable_pf {
            self.keeper.enable(&config.directories.run).map_err(Failure::Because)?;
        }
        if config.create_tables {
            self.keeper.create_tables();
        }
        let surveyed = self.keeper.survey(&self.capture.names(), now);
        surveyed.map_err(|error| Failure::new("cannot use the firewall", error))
    }

    /// Serves until told to stop; then shuts every door. What goes wrong is
    /// in the log when it returns.
    fn serve(&mut self) -> Result<(), Failure> {
        let interfaces = self.capture.fds().count();
        self.keeper.log().say(&Event::Ready { interfaces, doors: self.doors });
        let mut end = self.serve_until_stopped();
        // Whatever ended the loop, no door stays open.
        self.keeper.log().say(&Event::Stopping);
        let moment = sys::now().map_or_else(|_| Monotonic::default(), |now| now.monotonic);
        let left = self.keeper.close_all(moment);
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
        loop {
            let mut fds = vec![self.signals.as_fd(), self.capture.watch()];
            fds.extend(self.capture.fds());
            let deadline =
                [self.keeper.next_deadline(), self.next_look].into_iter().flatten().min();
            let ready = self.waiter.wait(&fds, deadline)?;
            // Doors first: under any traffic they close on time.
            let now = sys::now()?.monotonic;
            self.keeper.tick(now);
            if ready[0] {
                let asked = self.signals.take();
                if asked.stop {
                    return Ok(());
                }
                if asked.reload {
                    self.keeper.log().say(&Event::ReloadIgnored);
                }
            }
            // Also when interfaces changed: a descriptor of one that is gone
            // need not become readable, but reading it tells.
            if ready[1..].contains(&true) {
                self.read_frames()?;
            }
            if ready[1] || self.next_look.is_some_and(|due| due <= now) {
                let changes = self.capture.refresh();
                self.say_changes(&changes);
            }
            if !self.capture.has_failed() {
                self.next_look = None;
            } else if self.next_look.is_none_or(|due| due <= now) {
                self.next_look = Some(now + LOOK_INTERVAL);
            }
        }
    }

    /// Reads from every interface, and says what was lost on the way.
    fn read_frames(&mut self) -> io::Result<()> {
        let (engine, keeper) = (&mut self.engine, &mut self.keeper);
        let mut now = sys::now()?;
        let changes = self.capture.read(FRAME_BUDGET, |frame, link, interface| {
            // Each frame has its own time, lest attempts of one batch seem to
            // have begun at once. A clock that worked before works now.
            now = sys::now().unwrap_or(now);
            act(keeper, engine.decide(link, frame, interface, now), now);
            if keeper.next_deadline().is_some_and(|due| due <= now.monotonic) {
                keeper.tick(now.monotonic);
            }
        });
        let dropped = self.capture.dropped();
        if dropped > self.dropped {
            keeper.log().lost_packets(dropped - self.dropped, now.monotonic);
            self.dropped = dropped;
        }
        self.say_changes(&changes);
        Ok(())
    }

    fn say_changes(&mut self, changes: &[Change]) {
        for change in changes {
            self.keeper.log().say(&match change {
                Change::Attached(interface) => Event::Attached { interface },
                Change::Waiting { name, why } => Event::Waiting { interface: name, why },
                Change::Lost(interface) => Event::Lost { interface },
            });
        }
        if changes.iter().any(|change| matches!(change, Change::Attached(_)))
            && let Ok(now) = sys::now()
        {
            self.keeper.watch(&self.capture.names(), now.monotonic);
        }
    }
}

/// Has a decision carried out.
fn act(keeper: &mut Keeper, decision: Decision, now: Now) {
    match decision {
        Decision::Open { claims, source } => {
            for claim in &claims {
                keeper.open(claim, source, now);
            }
        }
        Decision::Refuse { source, refusal } => keeper.refuse(source, refusal, now.monotonic),
        Decision::Drop(_) => {}
    }
}
