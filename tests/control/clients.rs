//! Clients that behave, and clients that do not.
#![forbid(unsafe_code)]

use std::time::Duration;

use knockd::control::answer::Answer;
use knockd::control::record::{ControlMessage, SIZE, VERSION};
use knockd::control::request::{ControlRequest, Order};
use knockd::control::server::{MAX_CLIENTS, MAX_OTHERS, MAX_OUTPUT, PATIENCE};
use nix::unistd::geteuid;

use super::stage::{Client, Stage, lease, record};

const MOMENT: Duration = Duration::from_millis(1);

fn done() -> Answer {
    Answer::Done(String::new())
}

fn failed(text: &str) -> Answer {
    Answer::Failed(text.into())
}

#[test]
fn every_request_is_answered_and_the_connection_serves_again() {
    let mut stage = Stage::new();
    (stage.desk.leases, stage.desk.doors) = (3, 200);
    let mut client = stage.connect();
    let doors = stage.ask(&mut client, &ControlRequest::Doors);
    assert_eq!(doors.len(), 201);
    let stats = stage.ask(&mut client, &ControlRequest::Stats);
    assert_eq!(stats[1], Answer::Stat { name: "refused.stale".into(), value: 2 });
    let health = stage.ask(&mut client, &ControlRequest::Health);
    assert_eq!(health[0], Answer::Fact { key: "version".into(), value: "0.1.0".into() });
    let leases = stage.ask(&mut client, &ControlRequest::Leases);
    let all: Vec<_> = (0..3).map(|number| Answer::Lease(lease(number).lease)).collect();
    assert_eq!(leases, [all, vec![done()]].concat());
}

#[test]
fn orders_arrive_as_they_were_given() {
    let mut stage = Stage::new();
    let address = "2001:db8::7".parse().unwrap();
    let door = |name: &str| String::from(name);
    let orders = [
        Order::Open { door: door("ssh"), address, seconds: Some(60) },
        Order::Extend { door: door("ssh"), address, seconds: 90 },
        Order::CloseLease { door: door("ssh"), address },
        Order::CloseUser { name: "alice".into() },
        Order::CloseAll,
        Order::Log { verbose: true },
    ];
    let mut client = stage.connect();
    for order in &orders {
        assert_eq!(stage.ask(&mut client, &ControlRequest::Order(order.clone())), [done()]);
    }
    assert_eq!(stage.desk.orders, orders);
    let wrong = Order::Open { door: door("web"), address, seconds: None };
    assert_eq!(
        stage.ask(&mut client, &ControlRequest::Order(wrong)),
        [failed("there is no door web")]
    );
}

#[test]
fn a_late_answer_goes_to_its_client_and_others_are_served_meanwhile() {
    let mut stage = Stage::new();
    let (mut first, mut second, mut third) =
        (stage.connect(), stage.connect(), stage.connect());
    first.ask(&ControlRequest::Order(Order::Reload));
    second.ask(&ControlRequest::Order(Order::Reload));
    stage.settle();
    assert_eq!(stage.ask(&mut third, &ControlRequest::Stats).len(), 5);
    // However long it takes.
    stage.advance(PATIENCE * 2);
    let tickets = stage.desk.tickets.clone();
    stage.server.answer(tickets[1], Err("a.ron:1:2: one\na.ron:3:4: two".into()), stage.now);
    stage.server.answer(tickets[0], Ok("2 doors".into()), stage.now);
    assert_eq!(stage.answers(&mut first), [Answer::Done("2 doors".into())]);
    let line = Answer::Line("a.ron:1:2: one".into());
    assert_eq!(stage.answers(&mut second), [line, failed("a.ron:3:4: two")]);
}

#[test]
fn an_answer_to_a_client_that_left_is_dropped() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    client.ask(&ControlRequest::Order(Order::Reload));
    stage.settle();
    drop(client);
    stage.settle();
    assert_eq!(stage.clients(), 0);
    let ticket = stage.desk.tickets[0];
    stage.server.answer(ticket, Ok(String::new()), stage.now);
    stage.settle();
}

#[test]
fn without_clients_there_is_no_deadline() {
    let mut stage = Stage::new();
    assert_eq!(stage.server.next_deadline(), None);
    let mut client = stage.connect();
    assert_eq!(stage.server.next_deadline(), Some(stage.now + PATIENCE));
    client.ask(&ControlRequest::Monitor);
    stage.settle();
    assert_eq!(stage.server.next_deadline(), None, "a monitor may be silent");
    drop(client);
    stage.settle();
    assert_eq!((stage.clients(), stage.server.next_deadline()), (0, None));
}

#[test]
fn a_silent_client_is_closed_in_time() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    stage.advance(PATIENCE - MOMENT);
    assert!(!client.is_closed());
    stage.advance(MOMENT);
    assert!(client.is_closed());
    assert_eq!(stage.clients(), 0);
}

#[test]
fn a_request_may_come_byte_by_byte_within_the_time() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    for byte in record(&ControlRequest::Stats) {
        client.send(&[byte]);
        stage.settle();
    }
    assert_eq!(stage.answers(&mut client).len(), 5);
    // A byte does not move the deadline.
    for byte in record(&ControlRequest::Stats).iter().take(29) {
        client.send(&[*byte]);
        stage.advance(Duration::from_secs(1));
    }
    assert!(!client.is_closed());
    stage.advance(Duration::from_secs(1));
    assert!(client.is_closed());
}

#[test]
fn an_invalid_request_is_answered_and_closed() {
    let mut stage = Stage::new();
    let mut version = record(&ControlRequest::Stats);
    version[0] = VERSION + 1;
    let tag = ControlMessage { tag: 99, body: Vec::new() }.records().next().unwrap();
    let mut more = record(&ControlRequest::Stats);
    more[2] = 1;
    for (bytes, why) in [
        ([0xff; SIZE], "protocol version 255, expected 1: restart knockd"),
        (version, "protocol version 2, expected 1: restart knockd"),
        (tag, "not a message of knockd"),
        (more, "not a message of knockd"),
    ] {
        let mut client = stage.connect();
        client.send(&bytes);
        assert_eq!(stage.answers(&mut client), [failed(why)]);
        assert!(client.is_closed());
    }
    assert!(stage.desk.orders.is_empty());
}

#[test]
fn a_client_that_sends_while_it_is_answered_is_closed() {
    let mut stage = Stage::new();
    stage.desk.leases = 100_000;
    let mut client = stage.connect();
    client.ask(&ControlRequest::Leases);
    stage.settle();
    client.ask(&ControlRequest::Order(Order::CloseAll));
    stage.settle();
    assert_eq!(stage.clients(), 0);
    assert!(stage.desk.orders.is_empty());
}

#[test]
fn a_client_that_never_reads_100_000_leases_blocks_nobody() {
    let mut stage = Stage::new();
    stage.desk.leases = 100_000;
    let mut stuck = stage.connect();
    stuck.ask(&ControlRequest::Leases);
    // The server sleeps as soon as nothing more can be sent.
    stage.settle();
    let mut other = stage.connect();
    assert_eq!(stage.ask(&mut other, &ControlRequest::Stats).len(), 5);
    assert_eq!(stage.ask(&mut other, &ControlRequest::Leases).len(), 100_001);
    assert!(stage.desk.largest_page * SIZE <= MAX_OUTPUT);
    stage.advance(PATIENCE);
    assert_eq!(stage.clients(), 0);
    let mut received = 0;
    while stuck.next().is_some() {
        received += 1;
    }
    assert!(stuck.ended && (1..100_000).contains(&received), "{received}");
}

#[test]
fn a_slow_reader_gets_all_leases_in_order() {
    let mut stage = Stage::new();
    stage.desk.leases = 10_000;
    let mut client = stage.connect();
    client.ask(&ControlRequest::Leases);
    let mut received = Vec::new();
    while received.len() <= 10_000 {
        stage.turn();
        received.extend(client.next());
    }
    for (number, answer) in (0..10_000).zip(&received) {
        assert_eq!(*answer, Answer::Lease(lease(number).lease));
    }
}

#[test]
fn a_monitor_gets_every_line() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    assert!(!stage.server.is_monitored());
    client.ask(&ControlRequest::Monitor);
    stage.settle();
    assert!(stage.server.is_monitored());
    for number in 0..500 {
        // A long time after the last one.
        stage.now = stage.now + PATIENCE;
        stage.server.publish(&format!("line {number}"), stage.now);
        stage.settle();
        assert_eq!(client.next(), Some(Answer::Event(format!("line {number}"))));
    }
}

#[test]
fn a_monitor_that_does_not_read_gets_the_number_of_missed_lines() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    client.ask(&ControlRequest::Monitor);
    stage.settle();
    let lines = 10_000;
    for number in 0..lines {
        stage.server.publish(&format!("line {number}"), stage.now);
        stage.turn();
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < lines {
        stage.turn();
        match client.next() {
            Some(Answer::Event(text)) if missed == 0 => {
                assert_eq!(text, format!("line {seen}"));
                seen += 1;
            }
            Some(Answer::Missed(lines)) => missed += lines,
            None => assert!(!client.ended),
            other => panic!("{other:?}"),
        }
    }
    assert!(seen > 0 && missed > 0, "{seen} {missed}");
    stage.server.publish("after that", stage.now);
    stage.settle();
    assert_eq!(client.next(), Some(Answer::Event("after that".into())));
    let missed = Answer::Stat { name: "control_missed".into(), value: missed };
    let mut other = stage.connect();
    assert!(stage.ask(&mut other, &ControlRequest::Stats).contains(&missed));
}

#[test]
fn a_monitor_that_never_reads_is_closed() {
    let mut stage = Stage::new();
    let mut client = stage.connect();
    client.ask(&ControlRequest::Monitor);
    stage.settle();
    for _ in 0..10_000 {
        stage.server.publish("line", stage.now);
        stage.turn();
    }
    stage.advance(PATIENCE);
    assert_eq!(stage.clients(), 0);
}

#[test]
fn a_client_too_many_is_refused_with_the_reason() {
    let mut stage = Stage::new();
    let most = if geteuid().is_root() { MAX_CLIENTS } else { MAX_OTHERS };
    let mut served: Vec<Client> = (0..most).map(|_| stage.connect()).collect();
    let mut late = stage.connect();
    assert_eq!(stage.clients(), most);
    assert_eq!(stage.answers(&mut late), [failed("too many clients, try again")]);
    assert!(late.is_closed());
    let refused = Answer::Stat { name: "control_refused".into(), value: 1 };
    for client in &mut served {
        assert!(stage.ask(client, &ControlRequest::Stats).contains(&refused));
    }
    drop(served.pop());
    stage.settle();
    let mut next = stage.connect();
    assert_eq!(stage.ask(&mut next, &ControlRequest::Stats).len(), 5);
}
