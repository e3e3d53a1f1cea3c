//! One connection: its request, and the answers that are not sent yet.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::ServerCounts;
use super::desk::{Desk, Reply, Ticket};
use crate::control::answer::Answer;
use crate::control::record::{BadRecord, ControlRecord, Joiner, MAX_RECORDS, SIZE};
use crate::control::request::ControlRequest;
use crate::core::lease::LeaseKey;
use crate::core::time::Monotonic;

/// How long a client may take to send a request, or to read its answers.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes that wait for one client.
pub const MAX_OUTPUT: usize = 64 << 10;
/// How many leases are fetched at once. Each takes one record, so they fit.
const PAGE: usize = MAX_OUTPUT / SIZE / 2;
/// Bytes of the longest message.
const MESSAGE: usize = MAX_RECORDS * SIZE;

/// What is done next for a client.
#[derive(Debug)]
enum Next {
    /// Receive a request.
    Recv,
    /// Send the rest of these.
    Answers(std::vec::IntoIter<Answer>),
    /// Send the leases after this one.
    Leases(Option<LeaseKey>),
    /// Send the reply to the ticket when it is there.
    Reply(Ticket),
    /// Send lines of the log, and how many were missed for lack of room.
    Lines { missed: u64 },
    /// Close when everything is sent.
    Close,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    is_root: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output is sent.
    sent: usize,
    next: Next,
    deadline: Monotonic,
    is_closed: bool,
}

impl Client {
    /// Creates one for a new connection.
    pub fn new(stream: UnixStream, is_root: bool, now: Monotonic) -> Self {
        Self {
            stream,
            is_root,
            input: Vec::with_capacity(SIZE),
            output: Vec::new(),
            sent: 0,
            next: Next::Recv,
            deadline: now + PATIENCE,
            is_closed: false,
        }
    }

    /// Whether the peer is root.
    pub const fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whether the connection can be dropped.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether it receives the log.
    pub const fn is_monitor(&self) -> bool {
        matches!(self.next, Next::Lines { .. })
    }

    /// Whether there is something to send.
    pub fn has_output(&self) -> bool {
        let is_more = matches!(self.next, Next::Answers(_) | Next::Leases(_));
        is_more || self.sent < self.output.len()
    }

    /// When it expires; never while it waits for a reply or for the log.
    pub fn deadline(&self) -> Option<Monotonic> {
        let is_waiting = match self.next {
            Next::Lines { .. } | Next::Reply(_) => !self.has_output(),
            _ => false,
        };
        (!is_waiting).then_some(self.deadline)
    }

    /// Closes it after its deadline.
    pub fn expire(&mut self, now: Monotonic) {
        self.is_closed |= self.deadline().is_some_and(|deadline| deadline <= now);
    }

    /// Receives a request, serves it and sends answers. At most one request and
    /// one buffer at a time, so that every client gets a turn.
    pub fn serve(&mut self, desk: &mut dyn Desk, counts: &mut ServerCounts, now: Monotonic) {
        match self.recv() {
            Ok(Some(record)) => {
                self.deadline = now + PATIENCE;
                match request(&record) {
                    Ok(request) => self.dispatch(request, desk, counts),
                    Err(bad) => self.refuse(&bad.to_string()),
                }
            }
            Ok(None) => {}
            Err(_) => self.is_closed = true,
        }
        if !self.is_closed {
            self.send(desk, now);
        }
    }

    /// Receives a whole request, if it is there. A client that sends before it has
    /// all answers is closed: its bytes would wake us without end.
    fn recv(&mut self) -> io::Result<Option<ControlRecord>> {
        let mut buffer: ControlRecord = [0; SIZE];
        let is_expected = matches!(self.next, Next::Recv);
        let room = if is_expected { SIZE - self.input.len() } else { 1 };
        let place = buffer.get_mut(..room).unwrap_or_default();
        let length = match self.stream.read(place) {
            Err(error) if is_temporary(&error) => return Ok(None),
            read => read?,
        };
        if length == 0 || !is_expected {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let record = ControlRecord::try_from(self.input.as_slice()).ok();
        if record.is_some() {
            self.input.clear();
        }
        Ok(record)
    }

    fn dispatch(
        &mut self,
        request: ControlRequest,
        desk: &mut dyn Desk,
        counts: &mut ServerCounts,
    ) {
        self.next = match request {
            ControlRequest::Leases => Next::Leases(None),
            ControlRequest::Doors => answers(desk.doors().into_iter().map(Answer::Door)),
            ControlRequest::Stats => {
                let stats = desk.stats().into_iter().chain(counts.stats());
                answers(stats.map(|(name, value)| Answer::Stat { name, value }))
            }
            ControlRequest::Health => {
                let facts = desk.health().into_iter();
                answers(facts.map(|(key, value)| Answer::Fact { key, value }))
            }
            ControlRequest::Monitor => Next::Lines { missed: 0 },
            ControlRequest::Order(order) => {
                let ticket = counts.next_ticket();
                match desk.order(order, ticket) {
                    Reply::Later => Next::Reply(ticket),
                    reply => Next::Answers(reply.answers().into_iter()),
                }
            }
        };
    }

    /// Queues the reason why it is refused, then closes it.
    pub fn refuse(&mut self, text: &str) {
        self.push(&Answer::Failed(text.into()));
        self.next = Next::Close;
    }

    /// Sends the output without waiting, before the connection is dropped.
    pub fn send_last(&mut self) {
        // A client that does not get the reason sees the closed connection.
        drop(self.stream.write(&self.output));
    }

    /// Queues the reply to `ticket`, if the client waits for it.
    pub fn answer(&mut self, ticket: Ticket, reply: &Reply, now: Monotonic) {
        if matches!(self.next, Next::Reply(own) if own == ticket) {
            self.deadline = now + PATIENCE;
            self.next = Next::Answers(reply.clone().answers().into_iter());
        }
    }

    /// Queues a line of the log, if the client monitors it. Returns whether there
    /// was no room for it.
    pub fn publish(&mut self, line: &str, now: Monotonic) -> bool {
        let (room, was_empty) = (self.room(), !self.has_output());
        let Next::Lines { missed } = &mut self.next else { return false };
        // The count of missed lines needs room, too.
        if *missed > 0 || room < 2 * MESSAGE {
            *missed = missed.saturating_add(1);
            return true;
        }
        self.push(&Answer::Event(line.into()));
        if was_empty {
            self.deadline = now + PATIENCE;
        }
        false
    }

    /// Sends what can be sent without waiting.
    fn send(&mut self, desk: &mut dyn Desk, now: Monotonic) {
        self.fill(desk);
        let rest = self.output.get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        match self.stream.write(rest) {
            Ok(length) => self.sent += length,
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.is_closed = true,
        }
        if self.sent == self.output.len() {
            self.after_output(now);
        }
    }

    /// Chooses what is next when the whole output is sent.
    fn after_output(&mut self, now: Monotonic) {
        // An idle client takes no memory.
        self.output = Vec::new();
        self.sent = 0;
        self.deadline = now + PATIENCE;
        match &mut self.next {
            Next::Lines { missed } if *missed > 0 => {
                let lines = std::mem::take(missed);
                self.push(&Answer::Missed(lines));
            }
            Next::Answers(answers) if answers.as_slice().is_empty() => {
                self.next = Next::Recv;
            }
            Next::Close => self.is_closed = true,
            _ => {}
        }
    }

    /// Fills the output with more answers when it is empty.
    fn fill(&mut self, desk: &mut dyn Desk) {
        if self.sent < self.output.len() {
            return;
        }
        if let Next::Leases(cursor) = self.next {
            let page = desk.leases_after(cursor, PAGE);
            let last = page.last().map(|line| line.key);
            let is_full = page.len() >= PAGE;
            for line in page.into_iter().take(PAGE) {
                self.push(&Answer::Lease(line.lease));
            }
            self.next = if is_full { Next::Leases(last) } else { answers(std::iter::empty()) };
        }
        while self.room() >= MESSAGE {
            let Next::Answers(answers) = &mut self.next else { return };
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

fn request(record: &ControlRecord) -> Result<ControlRequest, BadRecord> {
    let message = Joiner::default().push(record)?.ok_or(BadRecord::Malformed)?;
    ControlRequest::decode(&message).map_err(|_| BadRecord::Malformed)
}

/// Sends `list`, then the last answer.
fn answers(list: impl Iterator<Item = Answer>) -> Next {
    let mut all: Vec<_> = list.collect();
    all.push(Answer::Done(String::new()));
    Next::Answers(all.into_iter())
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
