//! `knockd -r` judges what the clients once sent as the daemon would have.

use std::path::Path;
use std::process::Command;

use crate::modes;
use crate::net::KNOCKD;

const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frames");

/// The verdicts on the packets of a recorded file, without their times.
fn judge(name: &str) -> Vec<String> {
    let frames = Path::new(FRAMES);
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("knockd");
    std::fs::create_dir(&secrets).unwrap();
    for key in ["fay.keys", "pat.key"] {
        let text = std::fs::read_to_string(frames.join(key)).unwrap();
        modes::write_secret(secrets.join(key), text);
    }
    let config = directory.path().join("knockd.ron");
    std::fs::copy(frames.join("older.ron"), &config).unwrap();
    let mut command = Command::new(KNOCKD);
    let output =
        command.arg("-f").arg(config).arg("-r").arg(frames.join(name)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

#[test]
fn recorded_packets_of_fwknop_get_their_verdicts() {
    assert_eq!(
        judge("fwknop.pcap"),
        [
            "192.0.2.2 open door=ssh address=192.0.2.2 seconds=60 user=fay",
            "192.0.2.2 ignore replayed fay",
            "192.0.2.2 open door=ssh address=192.0.2.2 seconds=7 user=fay \
             door=web address=192.0.2.2 seconds=7 user=fay",
            "192.0.2.2 ignore forbidden fay",
            "192.0.2.2 ignore address fay",
            "192.0.2.2 ignore unnamed fay",
            "192.0.2.2 ignore unsupported fay",
            "192.0.2.2 ignore unsupported fay",
        ]
    );
}

#[test]
fn recorded_packets_of_pyknock_get_their_verdicts() {
    assert_eq!(
        judge("pyknock.pcap"),
        [
            "192.0.2.2 open door=web address=192.0.2.2 seconds=60 user=pat",
            "192.0.2.2 ignore address pat",
            "192.0.2.2 ignore unsupported pat",
            "192.0.2.2 ignore stranger -",
        ]
    );
}

#[test]
fn recorded_knocks_get_their_verdicts() {
    assert_eq!(
        judge("knock.pcap"),
        [
            "192.0.2.2 ignore step -",
            "192.0.2.2 ignore step -",
            "192.0.2.2 open door=web address=192.0.2.2 seconds=60 user=-",
            "192.0.2.2 ignore step -",
            "192.0.2.2 ignore reset -",
            "192.0.2.2 ignore idle -",
        ]
    );
}
