//! One administrator's connection: what was asked, and what is on its way.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Counts;
use super::desk::{Desk, Reply, Ticket};
use crate::control::answer::Answer;
use crate::control::record::{BadRecord, Joiner, MAX_RECORDS, Record, SIZE};
use crate::control::request::Request;
use crate::core::lease::LeaseKey;
use crate::core::time::Monotonic;

/// How long a client may take to send a request, or to read what it was sent.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that wait for one client.
pub const MAX_OUTPUT: usize = 64 << 10;
/// Leases that are asked for at once. One takes a record, so that they fit.
const PAGE: usize = MAX_OUTPUT / SIZE / 2;
/// Bytes that the longest message takes.
const MESSAGE: usize = MAX_RECORDS * SIZE;

/// What a client waits for.
#[derive(Debug)]
enum Task {
    /// To ask.
    Nothing,
    /// The rest of these.
    Answers(std::vec::IntoIter<Answer>),
    /// The leases behind this one.
    Leases(Option<LeaseKey>),
    /// An answer that comes later.
    Reply(Ticket),
    /// Lines of the log; so many had no room.
    Lines { missed: u64 },
    /// The end, once it has read everything.
    End,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    is_root: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output is gone.
    sent: usize,
    task: Task,
    deadline: Monotonic,
    is_gone: bool,
}

impl Client {
    /// One that connected just now.
    pub fn new(stream: UnixStream, is_root: bool, now: Monotonic) -> Self {
        Self {
            stream,
            is_root,
            input: Vec::with_capacity(SIZE),
            output: Vec::new(),
            sent: 0,
            task: Task::Nothing,
            deadline: now + PATIENCE,
            is_gone: false,
        }
    }

    /// Whether root speaks.
    pub const fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whether there is nobody to serve any more.
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether it gets what is logged.
    pub const fn is_monitor(&self) -> bool {
        matches!(self.task, Task::Lines { .. })
    }

    /// Whether something is to be sent.
    pub fn has_output(&self) -> bool {
        let is_more = matches!(self.task, Task::Answers(_) | Task::Leases(_));
        is_more || self.sent < self.output.len()
    }

    /// When it has waited for us or kept us waiting for too long.
    pub fn deadline(&self) -> Option<Monotonic> {
        let is_patient = match self.task {
            Task::Lines { .. } | Task::Reply(_) => !self.has_output(),
            _ => false,
        };
        (!is_patient).then_some(self.deadline)
    }

    /// Closes it if it is too late.
    pub fn expire(&mut self, now: Monotonic) {
        self.is_gone |= self.deadline().is_some_and(|deadline| deadline <= now);
    }

    /// Reads what came, has it carried out and sends what is to be said. At
    /// most one request and one buffer at a time, so that all get their turn.
    pub fn serve(&mut self, desk: &mut dyn Desk, counts: &mut Counts, now: Monotonic) {
        match self.receive() {
            Ok(Some(record)) => {
                self.deadline = now + PATIENCE;
                self.take(&record, desk, counts);
            }
            Ok(None) => {}
            Err(_) => self.is_gone = true,
        }
        if !self.is_gone {
            self.send(desk, now);
        }
    }

    /// A whole request, if there is one. Who speaks while we do is none of
    /// ours, and would keep us awake.
    fn receive(&mut self) -> io::Result<Option<Record>> {
        let mut buffer: Record = [0; SIZE];
        let is_asked = matches!(self.task, Task::Nothing);
        let room = if is_asked { SIZE - self.input.len() } else { 1 };
        let place = buffer.get_mut(..room).unwrap_or_default();
        let length = match self.stream.read(place) {
            Err(error) if is_temporary(&error) => return Ok(None),
            read => read?,
        };
        if length == 0 || !is_asked {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let record = Record::try_from(self.input.as_slice()).ok();
        if record.is_some() {
            self.input.clear();
        }
        Ok(record)
    }

    fn take(&mut self, record: &Record, desk: &mut dyn Desk, counts: &mut Counts) {
        let message = match Joiner::default().take(record) {
            Ok(Some(message)) => message,
            Ok(None) => return self.refuse(&BadRecord::Malformed.to_string()),
            Err(malformed) => return self.refuse(&malformed.to_string()),
        };
        let Ok(request) = Request::decode(&message) else {
            return self.refuse(&BadRecord::Malformed.to_string());
        };
        self.task = match request {
            Request::Leases => Task::Leases(None),
            Request::Doors => answers(desk.doors().into_iter().map(Answer::Door)),
            Request::Stats => {
                let stats = desk.stats().into_iter().chain(counts.stats());
                answers(stats.map(|(name, value)| Answer::Stat { name, value }))
            }
            Request::Health => {
                let facts = desk.health().into_iter();
                answers(facts.map(|(key, value)| Answer::Fact { key, value }))
            }
            Request::Monitor => Task::Lines { missed: 0 },
            Request::Order(order) => {
                let ticket = counts.next_ticket();
                match desk.order(order, ticket) {
                    Reply::Later => Task::Reply(ticket),
                    reply => Task::Answers(reply.answers().into_iter()),
                }
            }
        };
    }

    /// Says why it is not served, and that was it.
    pub fn refuse(&mut self, text: &str) {
        self.push(&Answer::Failed { text: text.into() });
        self.task = Task::End;
    }

    /// Sends as much as goes at once, to one that is not served.
    pub fn farewell(&mut self) {
        // Why it was refused is nice to know, and no more.
        drop(self.stream.write(&self.output));
    }

    /// The answer to `ticket`, if it waits for that.
    pub fn answer(&mut self, ticket: Ticket, reply: &Reply, now: Monotonic) {
        if matches!(self.task, Task::Reply(own) if own == ticket) {
            self.deadline = now + PATIENCE;
            self.task = Task::Answers(reply.clone().answers().into_iter());
        }
    }

    /// A line of the log, if it wants it. Returns whether it had no room.
    pub fn publish(&mut self, line: &str, now: Monotonic) -> bool {
        let (room, was_empty) = (self.room(), !self.has_output());
        let Task::Lines { missed } = &mut self.task else { return false };
        // The message that lines were missed needs room too.
        if *missed > 0 || room < 2 * MESSAGE {
            *missed = missed.saturating_add(1);
            return true;
        }
        self.push(&Answer::Event { text: line.into() });
        if was_empty {
            self.deadline = now + PATIENCE;
        }
        false
    }

    /// Sends as much as goes at once.
    fn send(&mut self, desk: &mut dyn Desk, now: Monotonic) {
        self.fill(desk);
        let rest = self.output.get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        match self.stream.write(rest) {
            Ok(length) => self.sent += length,
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.is_gone = true,
        }
        if self.sent == self.output.len() {
            self.rest(now);
        }
    }

    /// Everything is sent that there was.
    fn rest(&mut self, now: Monotonic) {
        // A client without work takes no memory.
        self.output = Vec::new();
        self.sent = 0;
        self.deadline = now + PATIENCE;
        match &mut self.task {
            Task::Lines { missed } if *missed > 0 => {
                let lines = std::mem::take(missed);
                self.push(&Answer::Missed { lines });
            }
            Task::Answers(answers) if answers.as_slice().is_empty() => {
                self.task = Task::Nothing;
            }
            Task::End => self.is_gone = true,
            _ => {}
        }
    }

    /// Asks for more, if everything is gone that was there.
    fn fill(&mut self, desk: &mut dyn Desk) {
        if self.sent < self.output.len() {
            return;
        }
        if let Task::Leases(cursor) = self.task {
            let page = desk.leases_after(cursor, PAGE);
            let last = page.last().map(|line| line.key);
            let is_full = page.len() >= PAGE;
            for line in page.into_iter().take(PAGE) {
                self.push(&Answer::Lease(line.lease));
            }
            self.task = if is_full { Task::Leases(last) } else { answers(std::iter::empty()) };
        }
        while self.room() >= MESSAGE {
            let Task::Answers(answers) = &mut self.task else { return };
            let Some(answer) = answers.next() else { return };
            self.push(&answer);
        }
    }

    fn room(&self) -> usize {
        MAX_OUTPUT.saturating_sub(self.output.len())
    }

    fn push(&mut self, answer: &Answer) {
        self.output.extend(answer.encode().records().flatten());
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// These, and that it was all.
fn answers(these: impl Iterator<Item = Answer>) -> Task {
    let mut all: Vec<_> = these.collect();
    all.push(Answer::Done { text: String::new() });
    Task::Answers(all.into_iter())
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
