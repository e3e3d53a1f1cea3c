//! The check of an installed service, against stand-ins for the system's
//! commands.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::programs;

use super::stage::{all, source};

/// One script in the place of service(8), rcctl(8), launchctl(1), knockctl and
/// knockd: what runs is a file.
const STAND_IN: &str = r#"#!/bin/sh
echo "$(basename "$0") $*" >>"$STAGE/log"
good() { [ -r "$CONFIG" ] && ! grep -q broken "$CONFIG"; }
case "$(basename "$0") $*" in
*pgrep*) [ -e "$STAGE/up" ] && echo 1 ;;
*configtest* | *' -n '*) good ;;
*onestart | *' start knockd' | *bootstrap*) good && touch "$STAGE/up" ;;
*stop* | *bootout*) rm -f "$STAGE/up" ;;
*reload* | *kill*) [ -e "$STAGE/up" ] && { good || [ "$SYSTEM" = Darwin ]; } ;;
*) [ -e "$STAGE/up" ] ;;
esac
"#;

fn check(system: &str, directory: &Path) -> Output {
    for name in ["service", "rcctl", "launchctl", "knockctl", "knockd", "pgrep"] {
        programs::write(&directory.join(name), STAND_IN);
    }
    fs::write(directory.join("knockd.ron"), "good\n").unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.display());
    Command::new("/bin/sh")
        .arg(source("tests/pf/service"))
        .env("PATH", path)
        .env("STAGE", directory)
        .env("SYSTEM", system)
        .env("CONFIG", directory.join("knockd.ron"))
        .output()
        .unwrap()
}

#[test]
fn each_system_is_asked_in_its_own_words_and_left_as_it_was() {
    for (system, words) in [
        ("FreeBSD", ["service knockd onestart", "service knockd onereload"]),
        ("OpenBSD", ["rcctl -f start knockd", "rcctl reload knockd"]),
        ("Darwin", ["launchctl bootstrap system", "launchctl kill HUP"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let output = check(system, directory.path());
        assert!(output.status.success(), "{system}: {}", all(&output));
        let log = fs::read_to_string(directory.path().join("log")).unwrap();
        assert!(words.iter().all(|words| log.contains(words)), "{system}: {log}");
        assert!(!directory.path().join("up").exists(), "{system}: it did not run before");
        let config = fs::read_to_string(directory.path().join("knockd.ron")).unwrap();
        assert_eq!(config, "good\n");
    }
}

#[test]
fn a_service_that_does_not_stop_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("up")).unwrap();
    let output = check("FreeBSD", directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(all(&output).contains("not ok  it is gone"), "{}", all(&output));
}
