//! What the daemon says, and where.
//!
//! Every line is an [`event::Event`], so the catalogue of messages is one
//! file. Lines that strangers can cause pass through [`summary`] or a rate,
//! so that nobody makes the log grow faster than knockd(8) states.
#![forbid(unsafe_code)]

pub mod event;
pub mod summary;

use std::fmt;
use std::io::Write;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use event::Event;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, and someone must act.
    Error,
    /// Something will not work as meant.
    Warning,
    /// What the daemon is for: doors, refusals.
    Notice,
    /// Steps on the way; said with `-v` only.
    Debug,
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
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("verbose", &self.verbose).finish_non_exhaustive()
    }
}

impl Log {
    /// A log that writes lines, to standard error say.
    #[must_use]
    pub fn to_lines(lines: impl Write + Send + 'static, verbose: bool) -> Self {
        Self { sink: Sink::Lines(Box::new(lines)), verbose }
    }

    /// A log in syslog, facility daemon. When syslogd is away, lines are lost
    /// and each next one tries again.
    #[must_use]
    pub fn to_syslog(verbose: bool) -> Self {
        Self { sink: Sink::Syslog(connect()), verbose }
    }

    /// Whether even [`Severity::Debug`] is said.
    #[must_use]
    pub const fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Says `event`, unless it is only for the verbose.
    pub fn say(&mut self, event: &Event<'_>) {
        let severity = event.severity();
        if severity == Severity::Debug && !self.verbose {
            return;
        }
        match &mut self.sink {
            // Nowhere is left to say that nobody listens. One call, so that a
            // line is not torn.
            Sink::Lines(lines) => {
                drop(lines.write_all(format!("knockd: {event}\n").as_bytes()))
            }
            Sink::Syslog(logger) => {
                let line = event.to_string();
                let sent = logger.as_mut().is_some_and(|logger| write(logger, severity, &line));
                if !sent {
                    *logger = connect();
                    if let Some(logger) = logger {
                        write(logger, severity, &line);
                    }
                }
            }
        }
    }
}

fn connect() -> Option<Logger<LoggerBackend, Formatter3164>> {
    syslog::unix(Formatter3164 {
        facility: Facility::LOG_DAEMON,
        hostname: None,
        process: "knockd".into(),
        pid: std::process::id(),
    })
    .ok()
}

fn write(
    logger: &mut Logger<LoggerBackend, Formatter3164>,
    severity: Severity,
    line: &str,
) -> bool {
    match severity {
        Severity::Error => logger.err(line),
        Severity::Warning => logger.warning(line),
        Severity::Notice => logger.notice(line),
        Severity::Debug => logger.debug(line),
    }
    .is_ok()
}
