//! The daemon's log, to syslog or standard error.
//!
//! Every line is an [`event::Event`], and [`event`] is the table of them.
//! Lines that others can cause pass through [`summary`] or a rate, which bound
//! how fast the log grows; knockd.ron(5) states the limits.
#![forbid(unsafe_code)]

pub mod event;
pub mod summary;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use crate::core::gate::Refusal;
use crate::core::rate::Rate;
use crate::core::reason::Reason;
use crate::core::time::Monotonic;
use event::Event;
use summary::Summary;

/// The priority of a line in syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something does not work; the administrator has to act.
    Error,
    /// Something may not work as intended.
    Warning,
    /// Normal operation: doors, refusals.
    Notice,
}

enum Sink {
    Lines(Box<dyn Write + Send>),
    /// `None` while syslogd cannot be reached.
    Syslog(Option<Logger<LoggerBackend, Formatter3164>>),
}

/// Writes events, one line each. All clones write to one log.
#[derive(Clone)]
pub struct Log(Rc<RefCell<Writer>>);

struct Writer {
    sink: Sink,
    verbose: bool,
    lines: Rate,
    summary: Summary,
    /// Lines for `knockctl monitor`, while one runs.
    followed: Option<VecDeque<String>>,
}

/// The most lines that wait for `knockctl monitor`. Later ones are dropped.
const MAX_FOLLOWED: usize = 1024;

/// Lines about doors that may be written at once.
pub const LINE_BURST: u32 = 200;
/// How long it takes until one more line about a door may be written.
pub const LINE_INTERVAL: Duration = Duration::from_millis(100);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    /// The daemon's log: standard error in the foreground, else syslog.
    #[must_use]
    pub fn open(foreground: bool, verbose: bool) -> Self {
        if foreground {
            Self::to_lines(std::io::stderr(), verbose)
        } else {
            Self::to_syslog(verbose)
        }
    }

    /// A log that writes to `lines`.
    #[must_use]
    pub fn to_lines(lines: impl Write + Send + 'static, verbose: bool) -> Self {
        Self::to(Sink::Lines(Box::new(lines)), verbose)
    }

    /// A log in syslog, facility daemon. While syslogd does not run, lines are
    /// lost, and each line tries to connect again.
    #[must_use]
    pub fn to_syslog(verbose: bool) -> Self {
        Self::to(Sink::Syslog(connect()), verbose)
    }

    fn to(sink: Sink, verbose: bool) -> Self {
        let lines = Rate::new(LINE_BURST, LINE_INTERVAL);
        let summary = Summary::default();
        Self(Rc::new(RefCell::new(Writer { sink, verbose, lines, summary, followed: None })))
    }

    /// Whether to log packets of strangers and incomplete sequences.
    pub fn set_verbose(&self, verbose: bool) {
        self.0.borrow_mut().verbose = verbose;
    }

    /// Whether to keep lines for [`next_line`](Self::next_line).
    pub fn set_followed(&self, wanted: bool) {
        let followed = &mut self.0.borrow_mut().followed;
        match (wanted, &followed) {
            (true, None) => *followed = Some(VecDeque::new()),
            (false, _) => *followed = None,
            (true, Some(_)) => {}
        }
    }

    /// The oldest line that was kept and not returned yet.
    #[must_use]
    pub fn next_line(&self) -> Option<String> {
        self.0.borrow_mut().followed.as_mut()?.pop_front()
    }

    /// Writes `event`.
    pub fn write(&self, event: &Event<'_>) {
        self.0.borrow_mut().write(event);
    }
}

/// Lines that users and strangers can cause.
impl Log {
    /// Writes `event`, which is about a door, unless [`LINE_BURST`] is used up.
    /// Then it is counted.
    pub fn write_limited(&self, event: &Event<'_>, now: Monotonic) {
        let mut log = self.0.borrow_mut();
        if log.lines.admit(now) {
            log.write(event);
        } else {
            log.summary.note_omitted(now);
        }
    }

    /// Logs that a packet was refused: at once for the first of its source, user
    /// and reason in a minute, in a sum for the others. `user` is the name of the
    /// refusal's user. Refusals that scans cause are logged when verbose only.
    pub fn refuse(&self, source: IpAddr, refusal: Refusal, user: Option<&str>, now: Monotonic) {
        let mut log = self.0.borrow_mut();
        let is_wanted = log.verbose || !refusal.reason.is_noise();
        if is_wanted && log.summary.is_first(source, refusal, now) {
            log.write(&match user {
                Some(user) => Event::Refused { user, source, refusal },
                None => Event::Ignored { source, refusal },
            });
        }
    }

    /// Logs refusals whose sources are not known, at the end of the minute.
    pub fn refuse_many(&self, reason: Reason, times: u64, now: Monotonic) {
        let mut log = self.0.borrow_mut();
        if log.verbose || !reason.is_noise() {
            log.summary.note_others(reason, times, now);
        }
    }

    /// Logs at the end of the minute that the kernel dropped packets.
    pub fn lost_packets(&self, packets: u64, now: Monotonic) {
        self.0.borrow_mut().summary.note_dropped(packets, now);
    }

    /// Logs that a command was not run: at once for the first in a minute, in a
    /// sum for the others.
    pub fn drop_command(&self, command: &str, door: &str, now: Monotonic) {
        let mut log = self.0.borrow_mut();
        if log.summary.is_first_command(now) {
            log.write(&Event::CommandDropped { command, door });
        }
    }

    /// Writes the sums when the minute is over.
    pub fn tick(&self, now: Monotonic) {
        if self.next_deadline().is_some_and(|end| end <= now) {
            self.finish();
        }
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.0.borrow().summary.ends()
    }

    /// Writes the sums so far.
    pub fn finish(&self) {
        self.0.borrow_mut().finish();
    }
}

impl Writer {
    fn write(&mut self, event: &Event<'_>) {
        if let Some(followed) = &mut self.followed
            && followed.len() < MAX_FOLLOWED
        {
            followed.push_back(event.to_string());
        }
        match &mut self.sink {
            // A failure could only be logged here. One call, so that lines of
            // two processes do not mix.
            Sink::Lines(lines) => {
                drop(lines.write_all(format!("knockd: {event}\n").as_bytes()))
            }
            Sink::Syslog(logger) => {
                let sent = logger.as_mut().is_some_and(|logger| send(logger, event));
                if !sent {
                    *logger = connect();
                    if let Some(logger) = logger {
                        send(logger, event);
                    }
                }
            }
        }
    }

    fn finish(&mut self) {
        let Summary { known, strangers, others, dropped, omitted, commands, .. } =
            std::mem::take(&mut self.summary);
        for (source, tally) in known.into_iter().chain(strangers) {
            if !tally.is_empty() {
                self.write(&Event::RefusedAgain { source, reasons: &tally });
            }
        }
        if !others.is_empty() {
            self.write(&Event::RefusedOthers { reasons: &others });
        }
        if dropped > 0 {
            self.write(&Event::Dropped { packets: dropped });
        }
        if omitted > 0 {
            self.write(&Event::Omitted { lines: omitted });
        }
        if let Some(commands @ 1..) = commands {
            self.write(&Event::CommandsDropped { commands });
        }
    }
}

fn connect() -> Option<Logger<LoggerBackend, Formatter3164>> {
    let formatter = Formatter3164 {
        facility: Facility::LOG_DAEMON,
        hostname: None,
        process: "knockd".into(),
        pid: std::process::id(),
    };
    let logger = syslog::unix(formatter).ok()?;
    // A door must close on time whether or not syslogd reads.
    match &logger.backend {
        LoggerBackend::Unix(socket) => socket.set_nonblocking(true).ok()?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_nonblocking(true).ok()?,
        _ => {}
    }
    Some(logger)
}

/// Whether it was sent.
fn send(logger: &mut Logger<LoggerBackend, Formatter3164>, event: &Event<'_>) -> bool {
    let line = event.to_string();
    match event.level() {
        Level::Error => logger.err(line),
        Level::Warning => logger.warning(line),
        Level::Notice => logger.notice(line),
    }
    .is_ok()
}
