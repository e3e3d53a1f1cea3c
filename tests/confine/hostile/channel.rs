//! Bytes that are no message: whoever sends them is cut off.

use std::fs;

use super::{Attack, hosts};
use crate::net::{CLIENT4, until};

/// The keeper's descriptors.
fn descriptors(attack: &Attack) -> usize {
    let keeper = attack.daemon.one("keeper");
    fs::read_dir(format!("/proc/{keeper}/fd")).unwrap().count()
}

/// Such an engine is replaced, and nothing is left of it: neither what came
/// behind, nor a descriptor.
fn is_cut_off(deed: &str) {
    needs!(root);
    let attack = Attack::prepare(deed);
    let before = descriptors(&attack);
    attack.begin();
    attack.daemon.expect("starting another engine: it sent an unknown message");
    attack.daemon.expect(&format!("door ssh opened for {CLIENT4} by dave"));
    assert_eq!(attack.table("ssh"), hosts(&[]), "{deed}");
    // One that is kept is never closed; others are open for a moment.
    until("no more descriptors than before", || descriptors(&attack) == before);
    attack.end();
}

#[test]
fn an_unknown_tag_ends_the_engine() {
    // Those on either side of the known, and the last: none closes, extends or
    // reloads.
    for tag in [0, 6, 255] {
        is_cut_off(&format!("tag={tag}"));
    }
}

#[test]
fn a_field_without_a_meaning_ends_the_engine() {
    for deed in ["ground", "flag", "reserved"] {
        is_cut_off(deed);
    }
}

#[test]
fn a_blob_ends_the_engine() {
    is_cut_off("blob");
}

#[test]
fn descriptors_end_the_engine_and_are_not_kept() {
    // As many as there could be room for, and as many as the kernel carries.
    for count in [1, 5, 253] {
        is_cut_off(&format!("descriptors={count}"));
    }
}

#[test]
fn half_a_message_is_none() {
    needs!(root);
    let attack = Attack::done("half");
    assert_eq!(attack.table("ssh"), hosts(&[]));
    attack.end();
}
