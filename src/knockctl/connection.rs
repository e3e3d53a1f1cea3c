//! The client of the control socket.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::CtlError;
use crate::control::answer::{Answer, DoorState, HolderName, LeaseState};
use crate::control::record::{ControlRecord, Joiner, SIZE};
use crate::control::request::ControlRequest;
use crate::core::door::Table;
use crate::core::printable::escaped;

/// How long the daemon may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Connection(UnixStream);

impl Connection {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When the daemon is not running, or the user may not use the socket.
    pub fn open(path: &Path) -> Result<Self, CtlError> {
        let shown = path.display();
        let stream = UnixStream::connect(path).map_err(|error| {
            CtlError::new(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    format!(
                        "knockd is not running, start it: cannot connect to {shown}: {error}"
                    )
                }
                ErrorKind::PermissionDenied => {
                    format!("only root and the group of {shown} may control knockd: {error}")
                }
                _ => format!("cannot connect to {shown}: {error}"),
            })
        })?;
        let limit = Some(PATIENCE);
        stream
            .set_read_timeout(limit)
            .and_then(|()| stream.set_write_timeout(limit))
            .map_err(|error| CtlError::new(format!("cannot set a timeout: {error}")))?;
        Ok(Self(stream))
    }

    /// Sends `request` and calls `each` for each answer except the last. Returns
    /// the text of the last.
    ///
    /// # Errors
    /// When the daemon refuses, the connection fails, or `each` fails.
    pub fn ask(
        &mut self,
        request: &ControlRequest,
        mut each: impl FnMut(Answer) -> Result<(), CtlError>,
    ) -> Result<String, CtlError> {
        let sent = self.send(request);
        let mut joiner = Joiner::default();
        loop {
            // A client that is refused gets the reason even if it could not send.
            let record =
                self.recv().map_err(|error| lost(sent.as_ref().err().unwrap_or(&error)))?;
            let message = joiner.push(&record).map_err(CtlError::new)?;
            let Some(message) = message else { continue };
            match Answer::decode(&message).map(escape) {
                Ok(Answer::Done(text)) => return Ok(text),
                Ok(Answer::Failed(text)) => return Err(CtlError::new(text)),
                Ok(answer) => each(answer)?,
                Err(_) => return Err(CtlError::new("invalid answer from knockd")),
            }
        }
    }

    /// Sends `request` and returns what `pick` makes of each answer except the
    /// last.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and when `pick` does not take an answer.
    pub fn collect<T>(
        &mut self,
        request: &ControlRequest,
        pick: fn(Answer) -> Option<T>,
    ) -> Result<Vec<T>, CtlError> {
        let mut picked = Vec::new();
        self.ask(request, |answer| {
            picked.push(pick(answer).ok_or_else(unexpected)?);
            Ok(())
        })?;
        Ok(picked)
    }

    /// Waits for answers without a limit from now on.
    ///
    /// # Errors
    /// The system's; none is expected.
    pub fn wait_forever(&self) -> Result<(), CtlError> {
        self.0.set_read_timeout(None).map_err(CtlError::new)
    }

    fn send(&mut self, request: &ControlRequest) -> io::Result<()> {
        request.encode().records().try_for_each(|record| self.0.write_all(&record))
    }

    fn recv(&mut self) -> io::Result<ControlRecord> {
        let mut record: ControlRecord = [0; SIZE];
        self.0.read_exact(&mut record)?;
        Ok(record)
    }
}

/// The error for an answer of the wrong kind.
pub fn unexpected() -> CtlError {
    CtlError::new("unexpected answer from knockd")
}

fn lost(error: &io::Error) -> CtlError {
    CtlError::new(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("knockd did not answer within {} s", PATIENCE.as_secs())
        }
        ErrorKind::UnexpectedEof => "knockd closed the connection".into(),
        _ => format!("knockd closed the connection: {error}"),
    })
}

/// Escapes the characters in an answer that control a terminal.
fn escape(answer: Answer) -> Answer {
    let text = |text: String| escaped(&text);
    match answer {
        Answer::Door(door) => Answer::Door(DoorState {
            name: text(door.name),
            table: Table { name: text(door.table.name), anchor: door.table.anchor.map(text) },
            ..door
        }),
        Answer::Lease(lease) => Answer::Lease(LeaseState {
            door: text(lease.door),
            holder: match lease.holder {
                HolderName::User(name) => HolderName::User(text(name)),
                other => other,
            },
            ..lease
        }),
        Answer::Stat { name, value } => Answer::Stat { name: text(name), value },
        Answer::Fact { key, value } => Answer::Fact { key: text(key), value: text(value) },
        Answer::Event(line) => Answer::Event(text(line)),
        Answer::Missed(lines) => Answer::Missed(lines),
        Answer::Line(line) => Answer::Line(text(line)),
        Answer::Done(line) => Answer::Done(text(line)),
        Answer::Failed(line) => Answer::Failed(text(line)),
    }
}
