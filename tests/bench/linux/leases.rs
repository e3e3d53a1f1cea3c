//! A hundred thousand leases: restored by a start, looked after, and ended
//! within one second.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use knockd::config;
use knockd::core::door::DoorIndex;
use knockd::core::lease::LeaseKey;
use knockd::keep::leases::{Holder, LeaseFile, Record, State};
use knockd::sys;

use super::doors::{serve, token_socket};
use super::net::Daemon;
use super::observe::{Events, PATIENCE, first_connect};
use super::stand::{Plan, Stand, cpus, settled};
use crate::report::{Report, millis};

const LEASES: u32 = 100_000;
/// How long after the file was written the first of them ends. A start and
/// [`LOOKS`] are over by then.
const LIFE: Duration = Duration::from_secs(40);
/// How long the daemon looks at its tables, every 5 s.
const LOOKS: u32 = 3;

pub fn leases(report: &mut Report) {
    let stand = Stand::new(&Plan { leases: LEASES + 1_000, ..Plan::default() });
    let first = write(&stand);
    let began = Instant::now();
    let daemon = stand.lab.start(&stand.config, &[]);
    let (ready, _) = daemon.expect("ready, ");
    let listed = stand.lab.set("knock_ssh_v4").split(',').count();
    let note = format!("from the start to ready, {listed} entries in the table");
    report.add("restart with 100,000 leases", (ready - began).as_secs_f64(), "s", note);
    looks(report, &daemon);
    endings(report, &stand, first);
    let left =
        stand.lab.set("knock_ssh_v4").split(',').filter(|one| one.starts_with("10.")).count();
    assert_eq!(left, 0, "entries that did not end");
}

/// Writes the lease file that a stop would have left. Returns when the first
/// lease ends.
fn write(stand: &Stand) -> Instant {
    let config = config::load(&stand.config).unwrap();
    let run = stand.lab.path("run");
    std::fs::create_dir_all(&run).unwrap();
    let (now, moment) = (sys::now().unwrap().monotonic, Instant::now());
    let first = now + LIFE;
    let user = config.policy.users[0].credentials[0].id();
    let records = (0..LEASES).map(|number| Record {
        state: State::Suspended,
        key: LeaseKey { door: DoorIndex(0), address: address(number) },
        holder: Holder::User(user),
        opened: now,
        // All of them within one second.
        deadline: first + Duration::from_secs(1) * number / LEASES,
        foreign: false,
    });
    let boot = sys::boot::identity(&run).unwrap();
    LeaseFile::create(&run, boot, &config.policy.doors, LEASES, records).unwrap();
    moment + LIFE
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number))
}

/// Adds the processor time of a look at the tables.
fn looks(report: &mut Report, daemon: &Daemon) {
    let all = || cpus(daemon).to_vec();
    let before: Duration = settled(all).iter().sum();
    thread::sleep(Duration::from_secs(5) * LOOKS);
    let after: Duration = cpus(daemon).iter().sum();
    let spent = (after - before).as_secs_f64() / f64::from(LOOKS);
    report.add("processor time per 5 s with them", spent, "s", "nothing changes");
}

/// Waits for the ends, and sends tokens meanwhile.
fn endings(report: &mut Report, stand: &Stand, first: Instant) {
    serve(&stand.lab);
    let socket = token_socket(&stand.lab);
    thread::sleep(
        (first - Duration::from_millis(100)).saturating_duration_since(Instant::now()),
    );
    let tables = Events::of_tables(&stand.lab.server);
    let mut waits = Vec::new();
    for number in 1..=5 {
        let from = stand.address();
        let token = stand.token(from);
        thread::sleep(
            (first + Duration::from_millis(190) * number)
                .saturating_duration_since(Instant::now()),
        );
        waits.extend(stand.lab.client.enter(|| {
            let began = Instant::now();
            socket.send(&token).unwrap();
            Some(first_connect(from, PATIENCE)? - began)
        }));
    }
    let last = tables.last(Duration::from_secs(2)).unwrap();
    let late = last.saturating_duration_since(first + Duration::from_secs(1));
    report.add("the last of 100,000 ends within 1 s", millis(late), "ms late", "");
    report.times("token to connection meanwhile", waits, "");
}
