//! The socket's file, and who may use it.
#![forbid(unsafe_code)]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};

use knockd::control::SOCKET;
use knockd::control::request::ControlRequest;
use nix::unistd::geteuid;

use super::stage::{Stage, directory, open};
use crate::modes;

#[test]
fn only_root_and_the_group_may_open_the_socket() {
    let stage = Stage::new();
    let file = fs::symlink_metadata(stage.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.mode() & 0o7777, 0o660);
    assert_eq!(file.uid(), geteuid().as_raw());
    if geteuid().is_root() {
        assert_eq!(file.gid(), 0);
    }
}

#[test]
fn the_socket_of_an_earlier_daemon_is_removed() {
    let run = directory();
    drop(UnixListener::bind(run.path().join(SOCKET)).unwrap());
    let server = open(&run).unwrap();
    drop(UnixStream::connect(run.path().join(SOCKET)).unwrap());
    drop(server);
    assert!(!run.path().join(SOCKET).exists());
}

#[test]
fn a_second_daemon_leaves_the_first_its_socket() {
    let mut stage = Stage::new();
    let error = open(&stage.run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let expected =
        format!("{} is used by a running daemon, stop it first", stage.socket().display());
    assert_eq!(error.to_string(), expected);
    let mut client = stage.connect();
    assert_eq!(stage.ask(&mut client, &ControlRequest::Stats).len(), 5);
}

#[test]
fn a_daemon_that_ends_keeps_the_socket_of_the_next() {
    let stage = Stage::new();
    fs::remove_file(stage.socket()).unwrap();
    let _next = open(&stage.run).unwrap();
    let socket = stage.socket();
    // Fields are dropped in their order, the directory first.
    let Stage { run, server, .. } = stage;
    drop(server);
    assert!(socket.exists());
    drop(run);
}

#[test]
fn a_file_in_place_of_the_socket_is_kept() {
    let run = directory();
    let path = run.path().join(SOCKET);
    fs::write(&path, "precious").unwrap();
    let error = open(&run).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is not a socket, remove it", path.display()));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    for mode in [0o770, 0o757, 0o1777] {
        let run = directory();
        modes::set_mode(run.path(), mode);
        let error = open(&run).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let start = format!("others can write to {}, run chown ", run.path().display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(!run.path().join(SOCKET).exists());
    }
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let run = directory();
    let path = run.path().to_owned();
    fs::remove_dir(&path).unwrap();
    let error = open(&run).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot examine {}: ", path.display())), "{error}");
}
