//! Knock sequences over loopback.
#![forbid(unsafe_code)]

use std::net::TcpListener;

use super::home::{Home, udp};

#[test]
fn udp_knocks_are_empty_datagrams() {
    let [(one, first), (two, second)] = [udp("127.0.0.1"), udp("127.0.0.1")];
    Home::empty().knock(&format!("-u 127.0.0.1 {first} {second}")).nothing();
    for socket in [one, two] {
        assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 0);
    }
}

#[test]
fn a_knock_says_its_own_protocol() {
    let (datagrams, udp_port) = udp("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_port = listener.local_addr().unwrap().port();
    let line = format!("-v 127.0.0.1 {tcp_port} {udp_port}:udp");
    let said = Home::empty().knock(&line);
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap(), 0);
    listener.accept().unwrap();
    let expected = format!(
        "knocked at 127.0.0.1 port {tcp_port}/tcp\nknocked at 127.0.0.1 port {udp_port}/udp\n"
    );
    assert_eq!((said.code, said.out, said.err), (Some(0), expected, String::new()));
}

#[test]
fn a_closed_port_is_knocked_at_like_any_other() {
    let closed = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (datagrams, open) = udp("127.0.0.1");
    let line = format!("127.0.0.1 {} {}:udp {open}:udp", closed(), closed());
    Home::empty().knock(&line).nothing();
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn a_family_that_the_host_lacks_is_a_failure() {
    let said = Home::empty().knock("-6 127.0.0.1 7000");
    assert_eq!((said.code, &*said.out), (Some(1), ""));
    assert_eq!(said.err, "knock: 127.0.0.1 has no IPv6 address\n");
}

#[test]
fn misuse_is_a_usage_error() {
    for line in ["", "gw1", "gw1 7000 ssh", "gw1 0", "gw1 ssh 7000", "-x gw1 ssh"] {
        let said = Home::empty().knock(line);
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{line}");
        assert!(said.err.contains("Usage: knock"), "{line}: {}", said.err);
    }
}
