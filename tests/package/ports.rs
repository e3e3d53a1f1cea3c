//! The skeletons of ports agree with the source that they are made of.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(source(path)).unwrap()
}

/// What crates.sh prints.
fn crates(system: &str) -> String {
    let output = Command::new("sh").arg(source("etc/ports/crates.sh")).arg(system).output();
    let output = output.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn assert_current(system: &str, file: &str) {
    let current = read(file) == crates(system);
    assert!(current, "Cargo.lock changed: etc/ports/crates.sh {system} >{file}");
}

#[test]
fn the_crates_of_the_freebsd_port_are_those_of_the_lock() {
    assert_current("freebsd", "etc/ports/freebsd/Makefile.crates");
}

#[test]
fn the_crates_of_the_openbsd_port_are_those_of_the_lock() {
    assert_current("openbsd", "etc/ports/openbsd/crates.inc");
}

#[test]
fn every_crate_of_the_lock_is_listed_but_our_own() {
    let lock = read("Cargo.lock").matches("[[package]]").count();
    assert_eq!(crates("openbsd").lines().count(), lock - 1);
    assert_eq!(crates("freebsd").split_whitespace().filter(|word| *word != "\\").count(), lock);
}

#[test]
fn the_ports_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("etc/ports/freebsd/Makefile", format!("\nDISTVERSION=\t{version}\n")),
        ("etc/ports/openbsd/Makefile", format!("\nDISTNAME =\tknockd-{version}\n")),
        ("etc/ports/homebrew/knockd.rb", format!("/knockd-{version}.tar.gz\"\n")),
    ] {
        assert!(read(file).contains(&line), "{file}: {line:?}");
    }
}

#[test]
fn the_freebsd_port_has_the_same_script_for_any_prefix() {
    let script = read("rc.d/freebsd/knockd").replace("/usr/local", "%%PREFIX%%");
    let file = "etc/ports/freebsd/files/knockd.in";
    let current = read(file) == script;
    assert!(current, "sed 's|/usr/local|%%PREFIX%%|g' rc.d/freebsd/knockd >{file}");
}

/// Tests and what only they may do stay out of packages.
#[test]
fn the_ports_build_what_people_need_and_no_more() {
    for (file, line) in [
        (
            "etc/ports/freebsd/Makefile",
            "\nCARGO_FEATURES=\t--no-default-features client legacy\n",
        ),
        (
            "etc/ports/openbsd/Makefile",
            "\nMODCARGO_NO_DEFAULT_FEATURES =\tYes\nMODCARGO_FEATURES =\tclient legacy\n",
        ),
        (
            "etc/ports/homebrew/knockd.rb",
            "\"--no-default-features\", *std_cargo_args(features: \"client,legacy\")",
        ),
    ] {
        assert!(read(file).contains(line), "{file}: {line:?}");
    }
}
