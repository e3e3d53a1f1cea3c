//! Answers the requests of administrators.

use std::fmt::Display;
use std::time::Duration;

use super::Service;
use crate::config::{self, Config};
use crate::control::answer;
use crate::control::health::SOUND;
use crate::control::request::Order;
use crate::control::server::{Caller, Desk, LeaseLine, Reply, Ticket};
use crate::core::lease::{Holder, Lease, LeaseKey};
use crate::core::reason::Reason;
use crate::core::time::{Monotonic, Now};
use crate::log::Log;
use crate::message::VERSION;
use crate::message::engine::ToEngine;
use crate::process::keeper::Keeper;
use crate::process::keeper::doors::Whose;

impl Service {
    /// Serves administrators, as far as they are `ready`.
    pub(super) fn serve_control(&mut self, ready: &[Caller], now: Now) {
        if ready.is_empty() {
            self.control.tick(now.monotonic);
            return self.publish(now.monotonic);
        }
        let (facts, asked) = (Facts::of(self, now), Asked::default());
        let log = self.log.clone();
        let mut desk =
            Counter { keeper: &mut self.keeper, log, facts, now: now.monotonic, asked };
        self.control.serve(ready, &mut desk, now.monotonic);
        let Asked { reload, verbose } = desk.asked;
        if let Some(verbose) = verbose {
            self.verbose = verbose;
            self.engines.send(&ToEngine::Verbose(verbose), None);
        }
        for ticket in reload {
            let done = self.reload(now);
            let doors = self.config.policy.doors.len();
            let done = done.map(|()| format!("guarding {doors} doors"));
            self.control.answer(ticket, done.map_err(|lines| lines.join("\n")), now.monotonic);
        }
        self.publish(now.monotonic);
    }

    /// Sends the new lines of the log to `knockctl monitor`.
    fn publish(&mut self, now: Monotonic) {
        while let Some(line) = self.log.next_line() {
            self.control.publish(&line, now);
        }
        self.log.set_followed(self.control.is_monitored());
    }
}

/// Orders that only the service can carry out.
#[derive(Default)]
struct Asked {
    reload: Vec<Ticket>,
    verbose: Option<bool>,
}

/// What only the service knows.
struct Facts {
    counters: [(&'static str, u64); 5],
    health: Vec<(String, String)>,
}

impl Facts {
    fn of(service: &Service, now: Now) -> Self {
        let counters = [
            ("reloads", service.reloads),
            ("engine_restarts", service.engine_restarts),
            ("dropped", service.dropped),
            ("keeper_restarts", service.deaths.into()),
            ("clock_steps", service.clock.steps),
        ];
        Self { counters, health: service.health(now) }
    }
}

impl Service {
    fn health(&self, now: Now) -> Vec<(String, String)> {
        let Config { files, .. } = &self.config;
        let mut health = Vec::new();
        let mut say = |key: &str, value: &dyn Display| {
            health.push((key.to_owned(), value.to_string()));
        };
        let uptime = now.monotonic.since(self.began.monotonic).as_secs();
        say("version", &VERSION);
        say("uptime", &uptime);
        say("now", &now.wall.as_millis());
        say("configuration", &files.path().display());
        say("fingerprint", &config::fingerprint(files.text()));
        for name in self.capture.names() {
            say("attached", &name);
        }
        for (name, why) in self.capture.waiting() {
            say("waiting", &format_args!("{name}={why}"));
        }
        say("engine_restarts", &self.engine_restarts);
        say("keeper_restarts", &self.deaths);
        say("dropped", &self.dropped);
        say("clock_steps", &self.clock.steps);
        // Each start writes a new journal.
        say("journal_age", &uptime);
        self.keeper.say_health(&mut say, now.monotonic);
        health
    }
}

impl Keeper {
    fn say_health(&self, say: &mut dyn FnMut(&str, &dyn Display), now: Monotonic) {
        let Self { doors, memory, .. } = self;
        say("journal", &memory.trouble().unwrap_or(SOUND));
        say("journal_bytes", &memory.journal_bytes());
        let left = memory
            .barrier()
            .loss
            .map_or(Duration::ZERO, |(started, skew)| skew.saturating_sub(now.since(started)));
        say("uncertain", &left.as_secs());
        let lease_file = if doors.has_lease_file() { SOUND } else { "it cannot be written" };
        say("lease_file", &lease_file);
        for (_, door) in doors.list().filter(|(index, _)| !doors.is_usable(*index)) {
            let (name, table) = (&door.name, &door.table);
            say("unusable", &format_args!("{name}=table {table} cannot be used"));
        }
    }

    fn line(&self, key: LeaseKey, lease: &Lease, now: Monotonic) -> LeaseLine {
        let policy = self.doors.leases().policy();
        let door = policy.door(key.door).map_or_else(String::new, |door| door.name.clone());
        let holder = match lease.holder {
            Holder::User(user) => {
                policy.user(user).map_or(answer::HolderName::Former, |user| {
                    answer::HolderName::User(user.name.clone())
                })
            }
            Holder::Sequence => answer::HolderName::Sequence,
            Holder::Administrator => answer::HolderName::Administrator,
            Holder::Removed => answer::HolderName::Former,
        };
        let lease = answer::LeaseState {
            door,
            address: key.address,
            holder,
            age: now.since(lease.opened),
            remaining: lease.deadline.since(now),
            foreign: self.doors.leases().is_foreign(&key),
        };
        LeaseLine { key, lease }
    }
}

/// Answers from the keeper and the facts.
struct Counter<'a> {
    keeper: &'a mut Keeper,
    log: Log,
    facts: Facts,
    now: Monotonic,
    asked: Asked,
}

impl Desk for Counter<'_> {
    fn order(&mut self, order: Order, ticket: Ticket) -> Reply {
        let (doors, now) = (&mut self.keeper.doors, self.now);
        let seconds = |span: Duration| format!("{}s", span.as_secs());
        let closed = |count: usize| format!("{count} closed");
        match order {
            Order::Open { door, address, seconds: span } => {
                let span = span.map(|span| Duration::from_secs(span.into()));
                doors.order_open(&door, address, span, now).map(seconds).into()
            }
            Order::Extend { door, address, seconds: span } => {
                let span = Duration::from_secs(span.into());
                doors.order_extend(&door, address, span, now).map(seconds).into()
            }
            Order::CloseLease { door, address } => {
                doors.order_close(&Whose::One(door, address), now).map(closed).into()
            }
            Order::CloseUser { name } => {
                doors.order_close(&Whose::User(name), now).map(closed).into()
            }
            Order::CloseAll => doors.order_close(&Whose::All, now).map(closed).into(),
            Order::Reload => {
                self.asked.reload.push(ticket);
                Reply::Later
            }
            Order::Log { verbose } => {
                self.log.set_verbose(verbose);
                self.asked.verbose = Some(verbose);
                Reply::Done(String::new())
            }
        }
    }

    fn leases_after(&mut self, cursor: Option<LeaseKey>, at_most: usize) -> Vec<LeaseLine> {
        let leases = self.keeper.doors.leases().iter_after(cursor).take(at_most);
        leases.map(|(key, lease)| self.keeper.line(key, lease, self.now)).collect()
    }

    fn doors(&mut self) -> Vec<answer::DoorState> {
        let doors = &self.keeper.doors;
        doors
            .list()
            .map(|(index, door)| answer::DoorState {
                name: door.name.clone(),
                table: door.table.clone(),
                leases: doors.leases().count_of(index),
                usable: doors.is_usable(index),
            })
            .collect()
    }

    fn stats(&mut self) -> Vec<(String, u64)> {
        let Keeper { doors, memory, stats, .. } = &*self.keeper;
        let (counts, (used, room)) = (doors.counts(), memory.room());
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let own = [
            ("leases", count(doors.leases().len())),
            ("journal_used", count(used)),
            ("journal_room", count(room)),
            ("opened", counts.opened),
            ("extended", counts.extended),
            ("closed", counts.closed),
        ];
        let all = own.into_iter().chain(self.facts.counters);
        let mut all: Vec<_> = all.map(|(name, count)| (name.to_owned(), count)).collect();
        let reasons = Reason::ALL.iter();
        all.extend(reasons.map(|why| (format!("refused.{why}"), stats.refused.of(*why))));
        for (bound, grants) in stats.latencies() {
            let bound = bound.map_or_else(|| "inf".to_owned(), |micros| micros.to_string());
            all.push((format!("latency.{bound}"), grants));
        }
        let sum = u64::try_from(stats.latency_sum().as_micros()).unwrap_or(u64::MAX);
        all.push(("latency_sum".to_owned(), sum));
        all
    }

    fn health(&mut self) -> Vec<(String, String)> {
        self.facts.health.clone()
    }
}
