//! What the daemon says, and where.
//!
//! Every line is an [`event::Event`], and [`event`] is the table of them.
//! Lines that strangers can cause pass through [`summary`] or a rate,
//! so that nobody makes the log grow faster than knockd(8) states.
#![forbid(unsafe_code)]

pub mod event;
pub mod summary;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use crate::core::gate::Refusal;
use crate::core::rate::Rate;
use crate::core::time::Monotonic;
use event::Event;
use summary::Summary;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something does not work, and someone must act.
    Error,
    /// Something will not work as meant.
    Warning,
    /// What the daemon is for: doors, refusals.
    Notice,
}

/// Where lines go.
enum Sink {
    Lines(Box<dyn Write + Send>),
    /// `None` while syslogd cannot be reached.
    Syslog(Option<Logger<LoggerBackend, Formatter3164>>),
}

/// Says events, one line each.
pub struct Log {
    sink: Sink,
    verbose: bool,
    lines: Rate,
    summary: Summary,
    /// What was said since it was last followed, if somebody listens.
    followed: Option<VecDeque<String>>,
}

/// Lines that wait for those who listen; later ones are lost for them.
const MAX_FOLLOWED: usize = 1024;

/// Lines about doors: so many at once, and one more each
/// [`LINE_INTERVAL`].
pub const LINE_BURST: u32 = 200;
/// See [`LINE_BURST`].
pub const LINE_INTERVAL: Duration = Duration::from_millis(100);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("verbose", &self.verbose).finish_non_exhaustive()
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

    /// A log that writes lines, to standard error say.
    #[must_use]
    pub fn to_lines(lines: impl Write + Send + 'static, verbose: bool) -> Self {
        Self::to(Sink::Lines(Box::new(lines)), verbose)
    }

    /// A log in syslog, facility daemon. When syslogd is away, lines are lost
    /// and each next one tries again.
    #[must_use]
    pub fn to_syslog(verbose: bool) -> Self {
        Self::to(Sink::Syslog(connect()), verbose)
    }

    fn to(sink: Sink, verbose: bool) -> Self {
        let lines = Rate::new(LINE_BURST, LINE_INTERVAL);
        Self { sink, verbose, lines, summary: Summary::default(), followed: None }
    }

    /// Whether to say what strangers and half-done knocks do.
    pub const fn set_verbose(&mut self, verbose: bool) {
        self.verbose = verbose;
    }

    /// Whether somebody listens to what is said.
    pub fn set_followed(&mut self, wanted: bool) {
        match (wanted, &self.followed) {
            (true, None) => self.followed = Some(VecDeque::new()),
            (false, _) => self.followed = None,
            (true, Some(_)) => {}
        }
    }

    /// What was said since this was last asked, the oldest first.
    pub fn next_line(&mut self) -> Option<String> {
        self.followed.as_mut()?.pop_front()
    }

    /// Says `event`.
    pub fn say(&mut self, event: &Event<'_>) {
        if let Some(followed) = &mut self.followed
            && followed.len() < MAX_FOLLOWED
        {
            followed.push_back(event.to_string());
        }
        match &mut self.sink {
            // Nowhere is left to say that nobody listens. One call, so that a
            // line is not torn.
            Sink::Lines(lines) => {
                drop(lines.write_all(format!("knockd: {event}\n").as_bytes()))
            }
            Sink::Syslog(logger) => {
                let sent = logger.as_mut().is_some_and(|logger| write(logger, event));
                if !sent {
                    *logger = connect();
                    if let Some(logger) = logger {
                        write(logger, event);
                    }
                }
            }
        }
    }
}

/// Lines that others can cause.
impl Log {
    /// Says `event`, one of those that come with doors and their users,
    /// unless there were too many of late; those are counted.
    pub fn say_often(&mut self, event: &Event<'_>, now: Monotonic) {
        if self.lines.admit(now) {
            self.say(event);
        } else {
            self.summary.note_omitted(now);
        }
    }

    /// Says that a packet was refused: at once for the first of its source, user
    /// and reason in a minute, summed up for the others. `user` is the name of the
    /// refusal's user. What strangers and scans cause is for the verbose.
    pub fn refuse(
        &mut self,
        source: IpAddr,
        refusal: Refusal,
        user: Option<&str>,
        now: Monotonic,
    ) {
        let is_wanted = self.verbose || !refusal.reason.is_noise();
        if is_wanted && self.summary.is_first(source, refusal, now) {
            self.say(&match user {
                Some(user) => Event::Refused { user, source, refusal },
                None => Event::Ignored { source, refusal },
            });
        }
    }

    /// Says, at the end of the minute, that packets were lost before anyone
    /// saw them.
    pub fn lost_packets(&mut self, packets: u64, now: Monotonic) {
        self.summary.note_dropped(packets, now);
    }

    /// Says that a command was not run: at once for the first in a minute,
    /// summed up for the others.
    pub fn drop_command(&mut self, command: &str, door: &str, now: Monotonic) {
        if self.summary.is_first_command(now) {
            self.say(&Event::CommandDropped { command, door });
        }
    }

    /// Says the sums of a minute that is over.
    pub fn tick(&mut self, now: Monotonic) {
        if self.summary.ends().is_some_and(|end| end <= now) {
            self.finish();
        }
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Monotonic> {
        self.summary.ends()
    }

    /// Says the sums so far.
    pub fn finish(&mut self) {
        let Summary { known, strangers, others, dropped, omitted, commands, .. } =
            std::mem::take(&mut self.summary);
        for (source, tally) in known.into_iter().chain(strangers) {
            if !tally.is_empty() {
                self.say(&Event::RefusedAgain { source, reasons: &tally });
            }
        }
        if !others.is_empty() {
            self.say(&Event::RefusedOthers { reasons: &others });
        }
        if dropped > 0 {
            self.say(&Event::Dropped { packets: dropped });
        }
        if omitted > 0 {
            self.say(&Event::Omitted { lines: omitted });
        }
        if let Some(commands @ 1..) = commands {
            self.say(&Event::CommandsDropped { commands });
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
fn write(logger: &mut Logger<LoggerBackend, Formatter3164>, event: &Event<'_>) -> bool {
    let line = event.to_string();
    match event.level() {
        Level::Error => logger.err(line),
        Level::Warning => logger.warning(line),
        Level::Notice => logger.notice(line),
    }
    .is_ok()
}
