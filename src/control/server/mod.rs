//! The daemon's end of the control socket. It never waits, and keeps at most
//! [`MAX_OUTPUT`] bytes for each client.
//!
//! The caller sleeps on [`Server::fds`] until [`Server::next_deadline`], then
//! calls [`Server::serve`].

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

mod client;
mod desk;
mod listener;

pub use client::{MAX_OUTPUT, PATIENCE};
pub use desk::{Desk, LeaseLine, Reply, Ticket};
pub use listener::Peer;

use crate::core::time::Monotonic;
use client::Client;
use listener::Listener;

/// The most clients at once.
pub const MAX_CLIENTS: usize = 16;
/// The most clients that are not root, so that root can always connect.
pub const MAX_OTHERS: usize = 8;
/// How long no connection is accepted after the system ran out of descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// The socket and its clients.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    clients: Vec<(Caller, Client)>,
    paused_until: Option<Monotonic>,
    counts: ServerCounts,
}

/// Which descriptor is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The socket, with a new connection.
    New,
    /// A client, by its number.
    Client(u64),
}

/// The numbers given so far, and the counters.
#[derive(Debug, Default)]
struct ServerCounts {
    tickets: u64,
    clients: u64,
    refused_connections: u64,
    missed_lines: u64,
}

impl ServerCounts {
    const fn next_ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        Ticket(self.tickets)
    }

    fn stats(&self) -> [(String, u64); 2] {
        [
            ("control_refused".into(), self.refused_connections),
            ("control_missed".into(), self.missed_lines),
        ]
    }
}

impl Server {
    /// Listens in the directory `run`, to which only root or we may write. Removes
    /// the socket of an earlier daemon.
    ///
    /// Needs a single thread: it changes the file mode mask of the process.
    ///
    /// # Errors
    /// When others can write to the directory, another daemon uses the socket, or
    /// the system refuses.
    pub fn open(run: &Path) -> io::Result<Self> {
        Ok(Self {
            listener: Listener::open(run)?,
            clients: Vec::new(),
            paused_until: None,
            counts: ServerCounts::default(),
        })
    }

    /// Returns what to sleep on, and whether for writing as well as for reading.
    pub fn fds(&self) -> impl Iterator<Item = (Caller, BorrowedFd<'_>, bool)> {
        let is_open = self.paused_until.is_none();
        let listener = is_open.then(|| (Caller::New, self.listener.as_fd(), false));
        let clients = self.clients.iter();
        let clients = clients.map(|(who, client)| (*who, client.as_fd(), client.has_output()));
        clients.chain(listener)
    }

    /// Serves the clients that are `ready`, closes those that expired, and accepts
    /// new ones.
    pub fn serve(&mut self, ready: &[Caller], desk: &mut dyn Desk, now: Monotonic) {
        for (_, client) in self.clients.iter_mut().filter(|(who, _)| ready.contains(who)) {
            client.serve(desk, &mut self.counts, now);
        }
        self.tick(now);
        if ready.contains(&Caller::New) {
            self.accept(now);
        }
    }

    /// Closes the clients that expired.
    pub fn tick(&mut self, now: Monotonic) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        self.clients.retain_mut(|(_, client)| {
            client.expire(now);
            !client.is_closed()
        });
    }

    /// Returns when [`Self::tick`] has something to do; never without clients.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let clients = self.clients.iter().filter_map(|(_, client)| client.deadline());
        clients.chain(self.paused_until).min()
    }

    /// Sends a line of the log to the clients that monitor it. A client that does
    /// not read misses it, and gets the number of missed lines later.
    pub fn publish(&mut self, line: &str, now: Monotonic) {
        for (_, client) in &mut self.clients {
            if client.publish(line, now) {
                self.counts.missed_lines = self.counts.missed_lines.saturating_add(1);
            }
        }
    }

    /// Whether a client monitors the log.
    #[must_use]
    pub fn is_monitored(&self) -> bool {
        self.clients.iter().any(|(_, client)| client.is_monitor())
    }

    /// Answers an order whose [`Reply`] was [`Later`](Reply::Later). Does nothing
    /// if its client is gone.
    pub fn answer(&mut self, ticket: Ticket, result: Result<String, String>, now: Monotonic) {
        let reply = Reply::from(result);
        for (_, client) in &mut self.clients {
            client.answer(ticket, &reply, now);
        }
    }

    /// Accepts the connections that wait, at most [`MAX_CLIENTS`].
    fn accept(&mut self, now: Monotonic) {
        for _ in 0..MAX_CLIENTS {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let is_root = peer.is_some_and(|peer| peer.uid.is_root());
                    let mut client = Client::new(stream, is_root, now);
                    match self.refusal(peer) {
                        None => {
                            self.counts.clients = self.counts.clients.wrapping_add(1);
                            self.clients.push((Caller::Client(self.counts.clients), client));
                        }
                        Some(why) => {
                            client.refuse(why);
                            client.send_last();
                            self.counts.refused_connections =
                                self.counts.refused_connections.saturating_add(1);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The client closed it before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    // The socket stays ready and would wake us without end.
                    self.paused_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    /// Why a new connection is refused.
    fn refusal(&self, peer: Option<Peer>) -> Option<&'static str> {
        let Some(peer) = peer.filter(|peer| self.listener.admits(*peer)) else {
            return Some("only root and the group of the socket may control knockd");
        };
        let others = self.clients.iter().filter(|(_, client)| !client.is_root()).count();
        let is_full =
            self.clients.len() >= MAX_CLIENTS || (!peer.uid.is_root() && others >= MAX_OTHERS);
        is_full.then_some("too many clients, try again")
    }
}
