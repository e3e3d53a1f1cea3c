//! A server with a fake keeper and a clock that only tests advance.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use knockd::control::SOCKET;
use knockd::control::answer::{self, Answer, HolderName};
use knockd::control::record::{ControlRecord, Joiner, SIZE};
use knockd::control::request::{ControlRequest, Order};
use knockd::control::server::{Desk, LeaseLine, Reply, Server, Ticket};
use knockd::core::door::{DoorIndex, Table};
use knockd::core::lease::LeaseKey;
use knockd::core::time::Monotonic;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Held while the file mode mask of the process matters: a server changes it.
static MASK: Mutex<()> = Mutex::new(());

pub fn directory() -> TempDir {
    let _mask = MASK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tempfile::tempdir().unwrap()
}

pub fn open(run: &TempDir) -> std::io::Result<Server> {
    let _mask = MASK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Server::open(run.path())
}

/// A keeper with any number of leases that records its orders.
#[derive(Default)]
pub struct FakeKeeper {
    pub leases: u32,
    pub doors: u32,
    pub orders: Vec<Order>,
    pub tickets: Vec<Ticket>,
    pub largest_page: usize,
}

pub fn lease(number: u32) -> LeaseLine {
    let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
    LeaseLine {
        key: LeaseKey { door: DoorIndex(0), address },
        lease: answer::LeaseState {
            door: "ssh".into(),
            address,
            holder: HolderName::User("alice".into()),
            age: Duration::from_secs(5),
            remaining: Duration::from_millis(54_321),
            foreign: false,
        },
    }
}

impl Desk for FakeKeeper {
    fn order(&mut self, order: Order, ticket: Ticket) -> Reply {
        self.orders.push(order.clone());
        match order {
            Order::Reload => {
                self.tickets.push(ticket);
                Reply::Later
            }
            Order::Open { door, .. } if door != "ssh" => {
                Reply::Failed(format!("there is no door {door}"))
            }
            _ => Reply::Done(String::new()),
        }
    }

    fn leases_after(&mut self, cursor: Option<LeaseKey>, at_most: usize) -> Vec<LeaseLine> {
        self.largest_page = self.largest_page.max(at_most);
        let first = match cursor.map(|key| key.address) {
            Some(IpAddr::V4(address)) => address.to_bits() - 0x0a00_0000 + 1,
            _ => 0,
        };
        (first..self.leases).take(at_most).map(lease).collect()
    }

    fn doors(&mut self) -> Vec<answer::DoorState> {
        let anchor = Some("a".repeat(1_000));
        let table = Table { name: "knock_ssh".into(), anchor };
        let door = |number| answer::DoorState {
            name: format!("door{number}"),
            table: table.clone(),
            leases: number,
            usable: true,
        };
        (0..self.doors).map(door).collect()
    }

    fn stats(&mut self) -> Vec<(String, u64)> {
        vec![("opened".into(), 7), ("refused.stale".into(), 2)]
    }

    fn health(&mut self) -> Vec<(String, String)> {
        vec![("version".into(), "0.1.0".into())]
    }
}

pub struct Stage {
    pub run: TempDir,
    pub server: Server,
    pub desk: FakeKeeper,
    pub now: Monotonic,
}

impl Stage {
    pub fn new() -> Self {
        let run = directory();
        let server = open(&run).unwrap();
        let now = Monotonic::from_nanos(1_000_000_000);
        Self { run, server, desk: FakeKeeper::default(), now }
    }

    pub fn socket(&self) -> PathBuf {
        self.run.path().join(SOCKET)
    }

    /// Serves once. Returns whether a descriptor was ready.
    pub fn turn(&mut self) -> bool {
        let (callers, mut polled): (Vec<_>, Vec<_>) = self
            .server
            .fds()
            .map(|(who, fd, write)| {
                let write = if write { PollFlags::POLLOUT } else { PollFlags::empty() };
                (who, PollFd::new(fd, PollFlags::POLLIN | write))
            })
            .unzip();
        poll(&mut polled, PollTimeout::ZERO).unwrap();
        let ready = callers.into_iter().zip(&polled).filter(|(_, fd)| fd.any().unwrap_or(true));
        let ready: Vec<_> = ready.map(|(who, _)| who).collect();
        drop(polled);
        self.server.serve(&ready, &mut self.desk, self.now);
        !ready.is_empty()
    }

    /// Serves until no descriptor is ready.
    pub fn settle(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.turn() {
            assert!(Instant::now() < end, "the server is kept awake");
        }
    }

    pub fn advance(&mut self, span: Duration) {
        self.now = self.now + span;
        self.settle();
    }

    pub fn clients(&self) -> usize {
        self.server.fds().count() - 1
    }

    /// Connects and is accepted.
    pub fn connect(&mut self) -> Client {
        let client = self.connect_only();
        self.settle();
        client
    }

    /// Connects.
    pub fn connect_only(&self) -> Client {
        Client::new(UnixStream::connect(self.socket()).unwrap())
    }

    /// Sends a request and waits for the last answer.
    pub fn ask(&mut self, client: &mut Client, request: &ControlRequest) -> Vec<Answer> {
        client.ask(request);
        self.answers(client)
    }

    /// Waits for the last answer.
    pub fn answers(&mut self, client: &mut Client) -> Vec<Answer> {
        let (mut answers, end) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            self.turn();
            while let Some(answer) = client.next() {
                let is_last = matches!(answer, Answer::Done(_) | Answer::Failed(_));
                answers.push(answer);
                if is_last {
                    return answers;
                }
            }
            assert!(!client.ended, "it ended after {answers:?}");
            assert!(Instant::now() < end, "never answered");
        }
    }
}

/// The other end.
pub struct Client {
    pub stream: UnixStream,
    pub ended: bool,
    bytes: Vec<u8>,
    joiner: Joiner,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self { stream, ended: false, bytes: Vec::new(), joiner: Joiner::default() }
    }

    pub fn ask(&mut self, request: &ControlRequest) {
        self.send(&record(request));
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next answer that is here.
    pub fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some((record, rest)) = self.bytes.split_first_chunk::<SIZE>() {
                let message = self.joiner.push(record).unwrap();
                self.bytes = rest.to_vec();
                match message {
                    Some(message) => return Some(Answer::decode(&message).unwrap()),
                    None => continue,
                }
            }
            // Records are taken off one by one, so that few may wait.
            let mut bytes = [0; SIZE];
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    self.bytes.extend_from_slice(&bytes[..length]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return None;
        }
    }

    /// Whether it was closed, after what is still to be read.
    pub fn is_closed(&mut self) -> bool {
        while self.next().is_some() {}
        self.ended
    }
}

pub fn record(request: &ControlRequest) -> ControlRecord {
    request.encode().records().next().unwrap()
}
