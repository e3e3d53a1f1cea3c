//! The demonstration needs no root.

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Output};

use crate::modes;
use crate::net::*;
use crate::programs;

/// Nobody, and nobody's group.
const NOBODY: u32 = 65534;

/// Runs a command as an ordinary user that owns one directory.
fn as_nobody(directory: &std::path::Path, command: &[&str]) -> Output {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    setpriv.args(["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]);
    setpriv.args(command).current_dir(directory);
    setpriv.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TMPDIR", directory);
    setpriv.output().unwrap()
}

#[test]
fn a_start_without_root_prints_only_that_root_is_needed() {
    needs!(root);
    let directory = tempfile::tempdir().unwrap();
    modes::set_mode(directory.path(), 0o755);
    let program = directory.path().join("knockd");
    programs::copy(KNOCKD, &program);
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conf/sequences.ron");
    fs::copy(config, directory.path().join("knockd.ron")).unwrap();
    for options in ["-d", "-dp/var/run/knockd.pid", "-v"] {
        let command = [program.to_str().unwrap(), options, "-f", "knockd.ron"];
        let output = as_nobody(directory.path(), &command);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error, "knockd: only root can capture and filter, start knockd as root\n");
    }
}

#[test]
fn the_demonstration_runs_as_an_ordinary_user() {
    needs!(root);
    let directory = tempfile::tempdir().unwrap();
    chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let program = directory.path().join("knockd");
    programs::copy(KNOCKD, &program);
    let output = as_nobody(directory.path(), &[program.to_str().unwrap(), "--demo"]);
    let (lines, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let allowed = as_nobody(directory.path(), &["unshare", "--user", "--net", "true"]);
    if !allowed.status.success() {
        assert_eq!(output.status.code(), Some(1));
        return assert!(error.contains("run the demonstration as root"), "{error}");
    }
    assert_eq!(output.status.code(), Some(0), "{lines}{error}");
    for part in [
        "tried 65535 tcp ports of 127.0.0.1: 0 open",
        "network sockets held by knockd: 0",
        "door web opened for 127.0.0.1 by a sequence",
        "door ssh opened for 127.0.0.1 by alice",
        "refused, replayed",
        "ignored, stranger",
        "door web closed for 127.0.0.1",
        "door ssh closed for 127.0.0.1",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(left.len(), 1, "only the program: {left:?}");
}
