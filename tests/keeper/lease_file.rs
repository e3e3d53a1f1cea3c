//! What the lease file tells the next run, at whatever step the last one
//! ended.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::policy::{SSH, WEB, door, ip, mono, table, tcp, udp};
use knockd::core::address::Entry;
use knockd::core::door::{Door, DoorIndex, OnClose, Table};
use knockd::core::lease::LeaseKey;
use knockd::keep::leases::{Holder, LeaseFile, NAME, Nothing, Record, State, recover};
use knockd::keep::recovery::{Plan, plan};
use tempfile::TempDir;

const BOOT: [u8; 16] = [7; 16];
const HOST: &str = "192.0.2.7";

fn doors() -> [Door; 3] {
    let anchored = Table { anchor: Some("knockd/inner".into()), ..table("shared") };
    [
        Door { table: table("shared"), ..door("ssh") },
        Door { table: table("shared"), ..door("web") },
        Door {
            table: anchored,
            v4_prefix: 24,
            v6_prefix: 64,
            on_close: OnClose::KillStates,
            rdomain: 7,
            ports: vec![tcp(25), udp(53)],
            max_open_for: Duration::from_secs(3_600),
            ..door("mail")
        },
    ]
}

/// The lease of a door until a second.
fn record(door: DoorIndex, until: u64, foreign: bool) -> Record {
    Record {
        state: State::Live,
        key: LeaseKey { door, address: ip(HOST) },
        holder: Holder::User([3; 8]),
        opened: mono(0),
        deadline: mono(until),
        foreign,
    }
}

fn create(directory: &TempDir) -> LeaseFile {
    LeaseFile::create(directory.path(), BOOT, &doors(), 10, std::iter::empty()).unwrap()
}

/// What the next run does at second 10: how many entries go, and which doors
/// open again.
fn next(directory: &TempDir) -> (usize, Vec<String>) {
    let left = recover(directory.path(), BOOT).unwrap();
    let plan = plan(&left, mono(10));
    let slot = (table("shared"), Entry::host(ip(HOST)));
    assert!(plan.delete.is_subset(&BTreeSet::from([slot])));
    (plan.delete.len(), plan.restore.into_iter().map(|restore| restore.door).collect())
}

#[test]
fn every_step_of_a_lease_leaves_what_the_next_run_needs() {
    for foreign in [false, true] {
        let (ssh, ours) = (record(SSH, 60, foreign), usize::from(!foreign));
        let directory = tempfile::tempdir().unwrap();
        let mut file = create(&directory);
        assert_eq!(next(&directory), (0, vec![]));
        file.intend(ssh).unwrap();
        assert_eq!(next(&directory), (ours, vec![]));
        file.commit(ssh).unwrap();
        assert_eq!(next(&directory), (0, vec!["ssh".into()]));
        file.closing(&[ssh.key]).unwrap();
        assert_eq!(next(&directory), (ours, vec![]));
        file.free(&[ssh.key]).unwrap();
        assert_eq!(next(&directory), (0, vec![]));
    }
}

#[test]
fn an_entry_that_another_lease_holds_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = create(&directory);
    let (ssh, web) = (record(SSH, 60, false), record(WEB, 60, false));
    file.commit(ssh).unwrap();
    file.intend(web).unwrap();
    assert_eq!(next(&directory), (0, vec!["ssh".into()]));
    file.commit(web).unwrap();
    file.closing(&[ssh.key]).unwrap();
    assert_eq!(next(&directory), (0, vec!["web".into()]));
}

#[test]
fn a_lease_whose_time_is_over_leaves_its_entry_to_be_taken_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = create(&directory);
    file.commit(record(SSH, 10, false)).unwrap();
    assert_eq!(next(&directory), (1, vec![]));
    file.commit(record(WEB, 11, false)).unwrap();
    assert_eq!(next(&directory), (0, vec!["web".into()]), "it holds the entry");
}

#[test]
fn leases_that_rest_are_restored_and_have_nothing_to_take_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = create(&directory);
    file.commit(record(SSH, 60, false)).unwrap();
    file.commit(record(WEB, 10, false)).unwrap();
    for door in [SSH, WEB] {
        file.suspend(&[record(door, 60, false).key]).unwrap();
    }
    let left = recover(directory.path(), BOOT).unwrap();
    let plan = plan(&left, mono(10));
    assert!(plan.delete.is_empty());
    assert_eq!(plan.restore.len(), 1);
    assert!(plan.restore[0].suspended);
}

#[test]
fn everything_of_a_lease_and_its_door_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = create(&directory);
    for (holder, host) in [
        (Holder::User([9; 8]), "192.0.2.7"),
        (Holder::Sequence, "2001:db8::7"),
        (Holder::Administrator, "192.0.2.8"),
        (Holder::Former, "192.0.2.9"),
    ] {
        let key = LeaseKey { door: DoorIndex(2), address: ip(host) };
        let opened = mono(3) + Duration::from_nanos(1);
        let kept = Record { key, holder, opened, ..record(SSH, 60, true) };
        file.commit(kept).unwrap();
        let left = recover(directory.path(), BOOT).unwrap();
        assert_eq!(left.records.last(), Some(&kept));
        // What only new leases need is not in the file.
        let as_left = |door: Door| {
            let open_for = door.max_open_for;
            Door { open_for, max_leases: 0, targets: Vec::new(), ..door }
        };
        assert_eq!(left.doors, doors().map(as_left));
    }
}

#[test]
fn of_another_boot_entries_of_ours_are_deleted_and_nothing_is_restored() {
    let slots = |name: &str| BTreeSet::from([(table(name), Entry::host(ip(HOST)))]);
    for (boot, now) in [([8; 16], 20), (BOOT, 4)] {
        let directory = tempfile::tempdir().unwrap();
        let mut file = create(&directory);
        file.commit(Record { opened: mono(5), ..record(SSH, 60, false) }).unwrap();
        file.commit(record(WEB, 60, false)).unwrap();
        let planned = plan(&recover(directory.path(), boot).unwrap(), mono(now));
        assert_eq!(planned, Plan { delete: slots("shared"), ..Plan::default() }, "{boot:?}");

        let mut file = create(&directory);
        file.commit(Record { opened: mono(5), ..record(SSH, 60, true) }).unwrap();
        file.commit(record(WEB, 60, false)).unwrap();
        file.suspend(&[record(WEB, 60, false).key]).unwrap();
        let planned = plan(&recover(directory.path(), boot).unwrap(), mono(now));
        assert_eq!(planned, Plan::default(), "not ours, or deleted at the stop");
    }
}

#[test]
fn a_damaged_head_leaves_nothing_and_a_damaged_slot_one_lease_less() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(recover(directory.path(), BOOT), Err(Nothing::Missing));
    let mut file = create(&directory);
    file.commit(record(SSH, 60, false)).unwrap();
    file.commit(record(WEB, 60, false)).unwrap();
    let path = directory.path().join(NAME);
    let whole = fs::read(&path).unwrap();
    for place in 0..whole.len().min(6 * 64) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&path, &bytes).unwrap();
        match recover(directory.path(), BOOT) {
            Ok(left) => assert!(left.records.len() == 1 || place >= 4 * 64, "byte {place}"),
            Err(Nothing::Broken(why)) => assert!(why.ends_with("is damaged"), "{why}"),
            Err(other) => panic!("byte {place}: {other:?}"),
        }
    }
}

#[test]
fn there_is_a_slot_for_each_lease_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = create(&directory);
    let host = |number: u32| LeaseKey { door: SSH, address: number.to_be_bytes().into() };
    let taken = (1..5_000).take_while(|number| {
        file.commit(Record { key: host(*number), ..record(SSH, 60, false) }).is_ok()
    });
    let taken = taken.count();
    assert!((10..5_000 - 1).contains(&taken), "{taken}");
    file.free(&[host(1)]).unwrap();
    file.commit(record(SSH, 60, false)).unwrap();
    assert_eq!(recover(directory.path(), BOOT).unwrap().records.len(), taken);
}
