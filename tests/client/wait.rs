//! `knock --wait`: tokens until the door answers.
#![forbid(unsafe_code)]

use std::net::UdpSocket;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use knockd::client::key::ed25519::Ed25519;
use knockd::client::wait::until_open;
use knockd::core::token::{Body, MAX_LENGTH};

use super::door::Door;
use super::home::{Home, SEED, opened, said, udp};

fn received(socket: &UdpSocket) -> Body {
    let mut buffer = [0; MAX_LENGTH + 1];
    let length = socket.recv(&mut buffer).unwrap();
    opened(&buffer[..length], &Ed25519::new(&SEED))
}

#[track_caller]
fn nothing_was_sent(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let error = socket.recv(&mut [0; MAX_LENGTH]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

/// A home whose `gw1` has the door ssh at `port`, and its SPA port.
fn home(port: u16) -> (Home, UdpSocket) {
    let home = Home::with_keys();
    let (socket, spa) = udp("127.0.0.1");
    let more = format!("key: \"id.key\", ports: {{\"ssh\": {port}}}");
    home.write_host("127.0.0.1", spa, &more);
    (home, socket)
}

fn started(home: &Home, line: &str) -> Child {
    let mut command = home.command(line);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_ends_when_the_door_that_a_token_opened_answers() {
    let door = Door::on("127.0.0.1").unwrap();
    let (home, socket) = home(door.port());
    let knock = started(&home, "--wait gw1 ssh");
    received(&socket);
    let _listener = door.open();
    said(knock.wait_with_output().unwrap()).nothing();
}

#[test]
fn a_lost_token_is_followed_by_a_fresh_one() {
    let door = Door::on("127.0.0.1").unwrap();
    let (home, socket) = home(door.port());
    let knock = started(&home, "--wait gw1 ssh");
    let (lost, next) = (received(&socket), received(&socket));
    assert_ne!(lost.salt, next.salt);
    let _listener = door.open();
    said(knock.wait_with_output().unwrap()).nothing();
}

#[test]
fn a_door_that_stays_shut_is_a_failure_in_time() {
    let door = Door::on("127.0.0.1").unwrap();
    let (home, socket) = home(door.port());
    let begin = Instant::now();
    let said = home.knock("--wait --timeout 1s gw1 ssh");
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!((said.code, &*said.out), (Some(1), ""));
    let start = "knock: door ssh of gw1 did not answer within 1 s, see the server's log; ";
    assert!(said.err.starts_with(start) && said.err.lines().count() == 1, "{}", said.err);
    assert!(said.err.contains("if NAT changes 127.0.0.1 on the way"), "{}", said.err);
    received(&socket);
}

#[test]
fn the_port_of_the_command_line_comes_first() {
    let (shut, door) = (Door::on("127.0.0.1").unwrap(), Door::on("127.0.0.1").unwrap());
    let (home, _socket) = home(shut.port());
    let port = door.port();
    let _listener = door.open();
    home.knock(&format!("--wait --port {port} gw1 ssh")).nothing();
}

#[test]
fn a_door_without_a_port_is_reported_before_anything_is_sent() {
    let (home, socket) = home(22);
    for way in ["--wait", "--proxy"] {
        let said = home.knock(&format!("{way} gw1 web"));
        assert_eq!((said.code, &*said.out), (Some(1), ""));
        assert!(said.err.contains("give --port, or add ports: {\"web\": 22}"), "{}", said.err);
    }
    nothing_was_sent(&socket);
}

#[test]
fn of_two_families_the_one_that_answers_wins() {
    needs!(system(Door::on("::1").is_ok(), "IPv6"));
    for (open, shut) in [("127.0.0.1", "::1"), ("::1", "127.0.0.1")] {
        let [open, shut] = [open, shut].map(|address| Door::on(address).unwrap());
        let doors = [shut.address(), open.address()];
        let _listener = open.open();
        let minute = Duration::from_secs(60);
        let connection =
            until_open(&doors, minute, minute, || Ok(()), |_| {}).unwrap().unwrap();
        assert_eq!(connection.peer_addr().unwrap(), doors[1]);
    }
}

#[test]
fn the_time_that_a_key_takes_is_not_the_doors() {
    let door = Door::on("127.0.0.1").unwrap();
    let doors = [door.address()];
    let (timeout, interval) = (Duration::from_secs(1), Duration::from_millis(100));
    let (mut door, mut listener, mut tokens) = (Some(door), None, 0);
    let slow_key = || {
        tokens += 1;
        if tokens == 2 {
            // A key that waits to be touched.
            std::thread::sleep(timeout * 2);
            listener = door.take().map(Door::open);
        }
        Ok(())
    };
    let connection = until_open(&doors, timeout, interval, slow_key, |_| {}).unwrap();
    assert_eq!(connection.unwrap().peer_addr().unwrap(), doors[0]);
    assert!(listener.is_some());
}
