//! `knock --proxy`: standard input and output are the connection's.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use super::door::Door;
use super::home::{Home, udp};

/// More than all buffers on the way hold.
const MUCH: usize = 8 << 20;

/// `knock --proxy` at a door that is open, and the server's connection.
struct Proxied {
    knock: Child,
    server: TcpStream,
    _home: Home,
}

fn proxied(options: &str, stdin: Stdio, stdout: Stdio) -> Proxied {
    let door = Door::on("127.0.0.1").unwrap();
    let port = door.port();
    let listener = door.open();
    let home = Home::with_keys();
    let (_socket, spa) = udp("127.0.0.1");
    home.write_host("127.0.0.1", spa, "key: \"id.key\"");
    let mut command = home.command(&format!("{options} --proxy --port {port} gw1 ssh"));
    let knock = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let server = listener.accept().unwrap().0;
    for limit in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        limit(&server, Some(Duration::from_secs(60))).unwrap();
    }
    Proxied { knock, server, _home: home }
}

/// Bytes of which no two neighbourhoods are alike.
fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..MUCH).map(|_| next()).collect()
}

/// Sends `bytes` by itself, and then no more.
fn send(mut to: impl Write + Send + 'static, bytes: Vec<u8>) -> thread::JoinHandle<()> {
    thread::spawn(move || to.write_all(&bytes).unwrap())
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

#[track_caller]
fn ended_well(knock: Child) {
    let output = knock.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*err), (Some(0), ""));
}

#[test]
fn all_bytes_arrive_both_ways_and_after_the_end_of_the_input() {
    let mut proxied = proxied("", Stdio::piped(), Stdio::piped());
    let (there, back) = (pattern(1), pattern(2));
    let input = send(proxied.knock.stdin.take().unwrap(), there.clone());
    let stdout = proxied.knock.stdout.take().unwrap();
    let output = thread::spawn(|| all(stdout));
    let answer = send(proxied.server.try_clone().unwrap(), back.clone());
    assert!(all(&proxied.server) == there, "what was sent is not what arrived");
    answer.join().unwrap();
    // The input has ended, the connection has not.
    proxied.server.write_all(b"done").unwrap();
    proxied.server.shutdown(Shutdown::Both).unwrap();
    input.join().unwrap();
    assert!(output.join().unwrap() == [back, b"done".to_vec()].concat());
    ended_well(proxied.knock);
}

#[test]
fn a_reader_who_is_late_holds_up_no_input() {
    let mut proxied = proxied("", Stdio::piped(), Stdio::piped());
    let (there, back) = (pattern(3), pattern(4));
    let answer = send(proxied.server.try_clone().unwrap(), back.clone());
    let input = send(proxied.knock.stdin.take().unwrap(), there.clone());
    assert!(all(&proxied.server) == there);
    input.join().unwrap();
    // Nobody has read a byte of the answer until here.
    let stdout = proxied.knock.stdout.take().unwrap();
    let output = thread::spawn(|| all(stdout));
    answer.join().unwrap();
    proxied.server.shutdown(Shutdown::Both).unwrap();
    assert!(output.join().unwrap() == back);
    ended_well(proxied.knock);
}

#[test]
fn it_ends_with_the_other_side_though_the_input_goes_on() {
    let mut proxied = proxied("", Stdio::piped(), Stdio::piped());
    let _input = proxied.knock.stdin.take().unwrap();
    proxied.server.write_all(b"bye").unwrap();
    drop(proxied.server);
    assert_eq!(all(proxied.knock.stdout.take().unwrap()), b"bye");
    ended_well(proxied.knock);
}

#[test]
fn streams_that_do_not_block_lose_nothing() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // As a program that waits for many things hands them on.
    theirs.set_nonblocking(true).unwrap();
    let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    let mut proxied = proxied("", end(), end());
    drop(theirs);

    // The input was empty when it was first read, and is so again.
    let mut hello = [0; 5];
    for _ in 0..2 {
        (&ours).write_all(b"hello").unwrap();
        proxied.server.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello");
    }
    let back = pattern(5);
    let answer = send(proxied.server.try_clone().unwrap(), back.clone());
    let mut output = vec![0; MUCH];
    (&ours).read_exact(&mut output).unwrap();
    assert!(output == back);
    answer.join().unwrap();
    proxied.server.shutdown(Shutdown::Both).unwrap();
    ended_well(proxied.knock);
}

#[test]
fn what_is_said_on_demand_is_not_said_to_the_connection() {
    let mut proxied = proxied("-v", Stdio::piped(), Stdio::piped());
    drop(proxied.knock.stdin.take());
    drop(proxied.server);
    let output = proxied.knock.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b""[..]));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.starts_with("knock: sent a token for door ssh to 127.0.0.1"), "{err}");
}
