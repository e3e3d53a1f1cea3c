//! The daemon's end of the control socket. It never waits, and holds a bounded
//! amount for each client.
//!
//! Whoever drives it sleeps on [`Server::fds`] until [`Server::next_deadline`]
//! and then calls [`Server::serve`].

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

/// Clients at once.
pub const MAX_CLIENTS: usize = 16;
/// Of which so many may not be root, so that root is always let in by others.
pub const MAX_OTHERS: usize = 8;
/// How long nobody is let in when the system has no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);

/// The socket and who speaks through it.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    clients: Vec<(Caller, Client)>,
    paused_until: Option<Monotonic>,
    counts: Counts,
}

/// Who may be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Someone who wants to be let in.
    New,
    /// A client, by its number.
    Client(u64),
}

/// What happened so far.
#[derive(Debug, Default)]
struct Counts {
    tickets: u64,
    clients: u64,
    /// Connections that were refused.
    refused: u64,
    /// Lines that monitors missed.
    missed: u64,
}

impl Counts {
    const fn next_ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        Ticket(self.tickets)
    }

    fn stats(&self) -> [(String, u64); 2] {
        [("control_refused".into(), self.refused), ("control_missed".into(), self.missed)]
    }
}

impl Server {
    /// Listens in the directory `run`, which only root or we ourselves may
    /// write to. The socket of a daemon that is gone is taken away.
    ///
    /// To be called while there is one thread: the mask of file modes is the
    /// process's.
    ///
    /// # Errors
    /// When others can write to the directory, when another daemon serves
    /// there, or the system's.
    pub fn open(run: &Path) -> io::Result<Self> {
        Ok(Self {
            listener: Listener::open(run)?,
            clients: Vec::new(),
            paused_until: None,
            counts: Counts::default(),
        })
    }

    /// What to sleep on, and whether for writing as well as for reading.
    pub fn fds(&self) -> impl Iterator<Item = (Caller, BorrowedFd<'_>, bool)> {
        let is_open = self.paused_until.is_none();
        let listener = is_open.then(|| (Caller::New, self.listener.as_fd(), false));
        let clients = self.clients.iter();
        let clients = clients.map(|(who, client)| (*who, client.as_fd(), client.has_output()));
        clients.chain(listener)
    }

    /// Serves those that are `ready`, closes those who are too late, and lets
    /// new ones in.
    pub fn serve(&mut self, ready: &[Caller], desk: &mut dyn Desk, now: Monotonic) {
        for (_, client) in self.clients.iter_mut().filter(|(who, _)| ready.contains(who)) {
            client.serve(desk, &mut self.counts, now);
        }
        self.tick(now);
        if ready.contains(&Caller::New) {
            self.let_in(now);
        }
    }

    /// Closes those who are too late.
    pub fn tick(&mut self, now: Monotonic) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        self.clients.retain_mut(|(_, client)| {
            client.expire(now);
            !client.is_gone()
        });
    }

    /// When [`Self::tick`] has something to do; never without clients.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let clients = self.clients.iter().filter_map(|(_, client)| client.deadline());
        clients.chain(self.paused_until).min()
    }

    /// Sends a line of the log to those who monitor it. One who does not read
    /// misses it, and is told how many it missed.
    pub fn publish(&mut self, line: &str, now: Monotonic) {
        for (_, client) in &mut self.clients {
            if client.publish(line, now) {
                self.counts.missed = self.counts.missed.saturating_add(1);
            }
        }
    }

    /// Whether somebody monitors the log.
    #[must_use]
    pub fn is_monitored(&self) -> bool {
        self.clients.iter().any(|(_, client)| client.is_monitor())
    }

    /// Answers an order whose [`Reply`] was to come later. Nothing happens if
    /// who gave it is gone.
    pub fn answer(&mut self, ticket: Ticket, result: Result<String, String>, now: Monotonic) {
        let reply = Reply::from(result);
        for (_, client) in &mut self.clients {
            client.answer(ticket, &reply, now);
        }
    }

    /// Lets in who waits, as many as there may be at once.
    fn let_in(&mut self, now: Monotonic) {
        for _ in 0..MAX_CLIENTS {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let is_root = peer.is_some_and(|peer| peer.uid.is_root());
                    let mut client = Client::new(stream, is_root, now);
                    match self.objection(peer) {
                        None => {
                            self.counts.clients = self.counts.clients.wrapping_add(1);
                            self.clients.push((Caller::Client(self.counts.clients), client));
                        }
                        Some(why) => {
                            client.refuse(why);
                            client.farewell();
                            self.counts.refused = self.counts.refused.saturating_add(1);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It changed its mind.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    // It stays ready, and would keep us awake.
                    self.paused_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    /// Why this one is not let in.
    fn objection(&self, peer: Option<Peer>) -> Option<&'static str> {
        let Some(peer) = peer.filter(|peer| self.listener.admits(*peer)) else {
            return Some("only root and the group of the socket may ask knockd");
        };
        let others = self.clients.iter().filter(|(_, client)| !client.is_root()).count();
        let is_full =
            self.clients.len() >= MAX_CLIENTS || (!peer.uid.is_root() && others >= MAX_OTHERS);
        is_full.then_some("too many ask at once, try again")
    }
}
