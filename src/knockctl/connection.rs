//! The program's end of the control socket.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::Error;
use crate::control::answer::{Answer, Door, Holder, Lease};
use crate::control::record::{Joiner, Record, SIZE};
use crate::control::request::Request;
use crate::core::door::Table;
use crate::core::printable::escaped;

/// How long the daemon may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection with the daemon.
#[derive(Debug)]
pub struct Connection(UnixStream);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When the daemon does not run, or we are not welcome.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let connected = UnixStream::connect(path).map_err(|error| {
            Error::Because(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    format!("knockd does not run, start it: cannot connect to {shown}: {error}")
                }
                ErrorKind::PermissionDenied => {
                    format!("only root and the group of {shown} may ask knockd: {error}")
                }
                _ => format!("cannot connect to {shown}: {error}"),
            })
        })?;
        let limit = Some(PATIENCE);
        connected
            .set_read_timeout(limit)
            .and_then(|()| connected.set_write_timeout(limit))
            .map_err(|error| Error::Because(format!("cannot set a timeout: {error}")))?;
        Ok(Self(connected))
    }

    /// Asks, and has `each` answer but the last looked at. Returns what there
    /// is to say at the end.
    ///
    /// # Errors
    /// What the daemon refuses; what `each` returns; or why there is no
    /// answer.
    pub fn ask(
        &mut self,
        request: &Request,
        mut each: impl FnMut(Answer) -> Result<(), Error>,
    ) -> Result<String, Error> {
        let sent = self.send(request);
        let mut joiner = Joiner::default();
        loop {
            // One who is not let in is told why, whether or not it could ask.
            let record =
                self.receive().map_err(|error| lost(sent.as_ref().err().unwrap_or(&error)))?;
            let message = joiner.take(&record).map_err(Error::from_display)?;
            let Some(message) = message else { continue };
            match Answer::decode(&message).map(tame) {
                Ok(Answer::Done { text }) => return Ok(text),
                Ok(Answer::Failed { text }) => return Err(Error::Because(text)),
                Ok(answer) => each(answer)?,
                Err(_) => return Err(Error::Because("knockd gave no sensible answer".into())),
            }
        }
    }

    /// Has it take as long as it likes to say something.
    ///
    /// # Errors
    /// None are expected.
    pub fn be_patient(&self) -> Result<(), Error> {
        self.0.set_read_timeout(None).map_err(Error::from_display)
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        request.encode().records().try_for_each(|record| self.0.write_all(&record))
    }

    fn receive(&mut self) -> io::Result<Record> {
        let mut record: Record = [0; SIZE];
        self.0.read_exact(&mut record)?;
        Ok(record)
    }
}

fn lost(error: &io::Error) -> Error {
    Error::Because(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("knockd does not answer within {} s", PATIENCE.as_secs())
        }
        ErrorKind::UnexpectedEof => "knockd closed the connection".into(),
        _ => format!("knockd closed the connection: {error}"),
    })
}

/// The answer, without anything that a terminal would take for an order.
fn tame(answer: Answer) -> Answer {
    let text = |text: String| escaped(&text);
    match answer {
        Answer::Door(door) => Answer::Door(Door {
            name: text(door.name),
            table: Table { name: text(door.table.name), anchor: door.table.anchor.map(text) },
            ..door
        }),
        Answer::Lease(lease) => Answer::Lease(Lease {
            door: text(lease.door),
            holder: match lease.holder {
                Holder::User(name) => Holder::User(text(name)),
                other => other,
            },
            ..lease
        }),
        Answer::Stat { name, value } => Answer::Stat { name: text(name), value },
        Answer::Fact { key, value } => Answer::Fact { key: text(key), value: text(value) },
        Answer::Event { text: line } => Answer::Event { text: text(line) },
        Answer::Missed { lines } => Answer::Missed { lines },
        Answer::Line { text: line } => Answer::Line { text: text(line) },
        Answer::Done { text: line } => Answer::Done { text: text(line) },
        Answer::Failed { text: line } => Answer::Failed { text: text(line) },
    }
}
