//! The ring that packets arrive in on Linux.

use knockd::capture::{Capture, Frames};
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::interface::{Selection, Selector};
use knockd::core::link::Link;
use knockd::core::sighting::Protocol;

use crate::frames::Shape;
use crate::network::{Network, Sender, wait};

/// More frames than a ring holds.
const MANY: usize = 3000;

/// A datagram that carries its number.
fn numbered(number: usize) -> Vec<u8> {
    let mut frame = Shape {
        transport: 17,
        port: 53,
        payload: 8,
        ..Shape::plain(Link::Ethernet, &[198, 51, 100, 7])
    }
    .build();
    let at = frame.len() - 8;
    frame[at..].copy_from_slice(&number.to_be_bytes());
    frame
}

fn capture() -> Capture {
    let selector = Selector::Name("far".to_owned());
    let datagrams =
        Interest { protocol: Protocol::Udp, ports: Ports::Of(vec![53]), packets: Packets::All };
    Capture::new(vec![Selection { selector, required: true }], vec![datagrams]).unwrap().0
}

/// Reads until `count` frames came, at most `budget` at a time.
fn read(frames: &mut Frames, count: usize, budget: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while all.len() < count {
        wait(&frames.fds().next().unwrap());
        let failed = frames.read(budget, |frame, _, _| all.push(frame.to_vec()));
        assert!(failed.is_empty());
    }
    all
}

#[test]
fn frames_come_whole_and_in_order_round_after_round() {
    Network::run(|network| {
        network.cable("near", "far");
        let mut capture = capture();
        let (sender, mut frames) = (Sender::new("near"), Frames::of(&capture).unwrap());
        for first in (0..MANY).step_by(500) {
            let sent: Vec<_> = (first..first + 500).map(numbered).collect();
            sent.iter().for_each(|frame| sender.send(frame));
            assert!(read(&mut frames, 500, 64) == sent);
        }
        assert_eq!(capture.dropped(), 0);
    });
}

#[test]
fn a_reader_goes_on_where_one_that_died_stopped() {
    Network::run(|network| {
        network.cable("near", "far");
        let capture = capture();
        let sender = Sender::new("near");
        let sent: Vec<_> = (0..1000).map(numbered).collect();
        let mut read_by_all = Vec::new();
        for part in sent.chunks(100) {
            part.iter().for_each(|frame| sender.send(frame));
            let mut frames = Frames::of(&capture).unwrap();
            // Some stay for the next one.
            let pending = 100 * (read_by_all.len() / 100 + 1) - read_by_all.len();
            read_by_all.extend(read(&mut frames, pending.min(70), 7));
        }
        let rest = sent.len() - read_by_all.len();
        if rest > 0 {
            read_by_all.extend(read(&mut Frames::of(&capture).unwrap(), rest, 64));
        }
        assert!(read_by_all == sent);
    });
}

#[test]
fn a_full_ring_keeps_the_oldest_frames_and_counts_the_others() {
    Network::run(|network| {
        network.cable("near", "far");
        let mut capture = capture();
        let (sender, mut frames) = (Sender::new("near"), Frames::of(&capture).unwrap());
        let sent: Vec<_> = (0..MANY).map(numbered).collect();
        sent.iter().for_each(|frame| sender.send(frame));
        let dropped = usize::try_from(capture.dropped()).unwrap();
        assert!(dropped > 0);
        let kept = MANY - dropped;
        assert!(read(&mut frames, kept, 64) == sent[..kept]);
        // It goes on from there.
        sender.send(&numbered(MANY));
        assert!(read(&mut frames, 1, 64) == [numbered(MANY)]);
    });
}

#[test]
fn a_frame_that_is_longer_than_a_slot_comes_whole() {
    Network::run(|network| {
        network.cable("near", "far");
        for name in ["near", "far"] {
            network.ip(&format!("link set {name} mtu 9000"));
        }
        let capture = capture();
        let (sender, mut frames) = (Sender::new("near"), Frames::of(&capture).unwrap());
        let plain = Shape::plain(Link::Ethernet, &[198, 51, 100, 7]);
        let long = Shape { transport: 17, port: 53, payload: 8000, ..plain }.build();
        for frame in [&long, &numbered(1), &long] {
            sender.send(frame);
            assert!(read(&mut frames, 1, 64) == [frame.clone()]);
        }
    });
}

#[test]
fn short_frames_keep_no_long_one_waiting() {
    Network::run(|network| {
        network.cable("near", "far");
        for name in ["near", "far"] {
            network.ip(&format!("link set {name} mtu 9000"));
        }
        let capture = capture();
        let (sender, mut frames) = (Sender::new("near"), Frames::of(&capture).unwrap());
        let plain = Shape::plain(Link::Ethernet, &[198, 51, 100, 7]);
        let long = Shape { transport: 17, port: 53, payload: 8000, ..plain }.build();
        sender.send(&long);
        (0..500).map(numbered).for_each(|frame| sender.send(&frame));
        assert!(read(&mut frames, 1, 64).contains(&long), "within the first turn");
    });
}
