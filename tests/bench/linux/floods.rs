//! What strangers' packets cost, by process, and how many fresh tokens get in
//! meanwhile.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::flood::{Flood, Sent, TRANSPORT};
use super::net::frames::{TCP, UDP, syn, udp};
use super::net::{Daemon, SERVER4, SPA_PORT, until};
use super::stand::{FIRST, Plan, SEQUENCE, Stand, cpus, settled};
use crate::report::Report;

/// The frames whose cost is measured, and their rate, which the daemon keeps up
/// with on an idle machine.
const FRAMES: u32 = 500_000;
const RATE: u32 = 100_000;
/// The rates at which fresh tokens have to get in; `None` is the highest.
const FLOODS: [Option<u32>; 3] = [Some(200_000), Some(318_000), None];
/// Fresh tokens, one every [`PAUSE`].
const TOKENS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Of the right length, each with another nonce under the same mark.
pub fn wrong_mark(report: &mut Report) {
    let stand = Stand::new(&Plan::default());
    let token = stand.token(stand.address());
    of(report, &stand, UDP, &udp(SPA_PORT, &token), |frame, number| {
        change(&mut frame[TRANSPORT + 8..], number);
    });
}

/// A token whose end is another in each.
pub fn wrong_tag(report: &mut Report) {
    let stand = Stand::new(&Plan::default());
    let token = stand.token(stand.address());
    of(report, &stand, UDP, &udp(SPA_PORT, &token), |frame, number| {
        let end = frame.len() - 4;
        change(&mut frame[end..], number);
    });
}

/// One token that has opened a door, over and over.
pub fn copies(report: &mut Report) {
    let stand = Stand::new(&Plan::default());
    let daemon = stand.daemon();
    let address = stand.address();
    let token = stand.token(address);
    stand.lab.send(super::net::CLIENT4, &token);
    until("an open door", || stand.open(&[address]) == 1);
    let flood = Flood::new(&stand.lab, UDP, &udp(SPA_PORT, &token), |_, _| {});
    measure(report, &stand, &daemon, &flood);
}

/// To other ports than those of a strict sequence.
pub fn other_ports(report: &mut Report) {
    let stand = Stand::new(&Plan { sequences: SEQUENCE, ..Plan::default() });
    of(report, &stand, TCP, &syn(0, 0), |frame, number| {
        let port = 10_000 + u16::try_from(number % 50_000).unwrap();
        frame[TRANSPORT + 2..TRANSPORT + 4].copy_from_slice(&port.to_be_bytes());
    });
}

/// The first knock of a sequence, from everywhere.
pub fn half_done(report: &mut Report) {
    let stand = Stand::new(&Plan { sequences: SEQUENCE, ..Plan::default() });
    of(report, &stand, TCP, &syn(FIRST, 0), |frame, number| {
        frame[TRANSPORT + 4..TRANSPORT + 8].copy_from_slice(&number.to_be_bytes());
    });
}

/// Makes four bytes others than they were in all frames before.
pub fn change(bytes: &mut [u8], number: u32) {
    // Not back to what they were in the genuine token.
    bytes[..4].copy_from_slice(&(number ^ 0x5a5a_5a5a).to_be_bytes());
}

fn of(
    report: &mut Report,
    stand: &Stand,
    protocol: u8,
    payload: &[u8],
    vary: fn(&mut [u8], u32),
) {
    let daemon = stand.daemon();
    let flood = Flood::new(&stand.lab, protocol, payload, vary);
    measure(report, stand, &daemon, &flood);
}

fn measure(report: &mut Report, stand: &Stand, daemon: &Daemon, flood: &Flood) {
    cost(report, stand, daemon, flood);
    for rate in FLOODS {
        let name = rate.map_or("the highest rate".into(), |rate| format!("{rate}/s"));
        let before = dropped(stand);
        let (opened, sent) = get_in(stand, flood, rate);
        report.add(
            format!("fresh tokens in at {name}"),
            opened as f64,
            "of 100",
            format!(
                "{:.0}/s sent, {} of {} dropped",
                sent.rate(),
                dropped(stand) - before,
                sent.frames
            ),
        );
    }
}

/// Adds the processor time per million frames that were read.
fn cost(report: &mut Report, stand: &Stand, daemon: &Daemon, flood: &Flood) {
    let all = || cpus(daemon).to_vec();
    let (before, dropped) = (settled(all), dropped(stand));
    let sent = flood.send(FRAMES, Some(RATE), &AtomicBool::new(false));
    let after = settled(all);
    let dropped = self::dropped(stand) - dropped;
    let read = f64::from(sent.frames) - dropped;
    let spent: Vec<f64> = after
        .iter()
        .zip(&before)
        .map(|(after, before)| (*after - *before).as_secs_f64() * 1e6 / read)
        .collect();
    let note = format!(
        "engine {:.2}, keeper {:.2}, parent {:.2}; {:.0}/s sent, {dropped} of {} dropped",
        spent[0],
        spent[1],
        spent[2],
        sent.rate(),
        sent.frames,
    );
    report.add("processor time per million", spent.iter().sum(), "s", note);
}

/// The frames that the kernel dropped because the daemon did not keep up.
fn dropped(stand: &Stand) -> f64 {
    stand.counters().get("dropped_total").copied().unwrap_or(0.0)
}

/// Sends fresh tokens into a flood; says how many of them opened the door.
fn get_in(stand: &Stand, flood: &Flood, rate: Option<u32>) -> (usize, Sent) {
    let ends = AtomicBool::new(false);
    let socket = stand.lab.client.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((SERVER4, SPA_PORT)).unwrap();
        socket
    });
    let addresses: Vec<_> = (0..TOKENS).map(|_| stand.address()).collect();
    let tokens: Vec<_> = addresses.iter().map(|address| stand.token(*address)).collect();
    let sent = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood.send(u32::MAX, rate, &ends));
        thread::sleep(Duration::from_millis(300));
        for token in &tokens {
            socket.send(token).unwrap();
            thread::sleep(PAUSE);
        }
        ends.store(true, Ordering::Relaxed);
        flooding.join().unwrap()
    });
    thread::sleep(Duration::from_millis(500));
    (stand.open(&addresses), sent)
}
