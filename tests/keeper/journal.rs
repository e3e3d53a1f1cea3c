//! What the journal tells the next run, whatever became of it.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::modes;
use knockd::core::reason::Reason;
use knockd::core::replay::ReplayId;
use knockd::core::time::BootId;
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::keep::journal::{Journal, Loss, NAME};
use tempfile::TempDir;

const SKEW: Duration = Duration::from_secs(30);
const ALICE: [u8; 8] = [1; 8];
const BOB: [u8; 8] = [2; 8];
const BOOT: BootId = [7; 16];
const OTHER: BootId = [8; 16];
const CAPACITY: usize = 128;

/// So many seconds after the start of everything, by both clocks.
fn at(second: u64) -> Now {
    let monotonic = Monotonic::default() + Duration::from_secs(second);
    Now { monotonic, wall: Wall::from_millis(1_000_000 + second * 1_000) }
}

fn token(id: u8, issued: u64) -> ReplayId {
    let issued = at(issued).wall;
    ReplayId { id: [id; 16], issued, expires: issued + SKEW, counter: 0 }
}

fn open(directory: &Path, boot: BootId, second: u64) -> Journal<()> {
    Journal::open(directory, boot, CAPACITY, SKEW, at(second))
}

#[test]
fn a_journal_that_others_could_have_put_there_proves_nothing() {
    let directory = sound();
    modes::set_mode(directory.path(), 0o777);
    let journal = open(directory.path(), BOOT, 100);
    assert!(matches!(journal.loss(), Some(Loss::Unreadable(_))), "{:?}", journal.loss());
    assert!(journal.trouble().unwrap().contains("others can write"));
}

#[test]
fn a_wider_skew_after_a_restart_doubts_as_much_more() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), BOOT, 100));
    let mut journal: Journal<()> =
        Journal::open(directory.path(), BOOT, CAPACITY, 2 * SKEW, at(101));
    assert_eq!(journal.record(ALICE, token(1, 160), (), at(140)), Err(Reason::Uncertain));
    assert_eq!(journal.record(ALICE, token(1, 161), (), at(140)), Ok(()));
}

/// A directory whose journal is sound, and knows nothing.
fn sound() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    // What the very first start doubts is long over.
    Journal::<()>::open(directory.path(), BOOT, CAPACITY, Duration::ZERO, at(0))
        .finish(at(0))
        .unwrap();
    directory
}

#[test]
fn a_crash_loses_nothing() {
    let directory = sound();
    let mut journal = open(directory.path(), BOOT, 100);
    assert_eq!(journal.loss(), None);
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(100)), Ok(()));
    drop(journal);
    let mut journal = open(directory.path(), BOOT, 101);
    assert_eq!(journal.loss(), None);
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(101)), Err(Reason::Replayed));
    assert_eq!(journal.record(BOB, token(1, 100), (), at(101)), Ok(()), "another's salt");
    assert_eq!(journal.record(ALICE, token(2, 100), (), at(101)), Ok(()), "at once");
}

#[test]
fn another_boot_is_a_loss_unless_the_daemon_was_stopped_in_order() {
    for is_stopped in [false, true] {
        let directory = sound();
        let mut journal = open(directory.path(), BOOT, 100);
        assert_eq!(journal.record(ALICE, token(1, 100), (), at(100)), Ok(()));
        if is_stopped {
            journal.finish(at(100)).unwrap();
        }
        drop(journal);
        let mut journal = open(directory.path(), OTHER, 101);
        assert!(journal.record(ALICE, token(1, 100), (), at(101)).is_err());
        let fresh = journal.record(ALICE, token(2, 101), (), at(101));
        if is_stopped {
            assert_eq!((journal.loss(), fresh), (None, Ok(())));
        } else {
            assert_eq!(
                (journal.loss(), fresh),
                (Some(&Loss::PowerLost), Err(Reason::Uncertain))
            );
            assert_eq!(journal.record(ALICE, token(3, 132), (), at(131)), Ok(()));
        }
    }
}

#[test]
fn the_mark_of_an_orderly_stop_is_gone_as_soon_as_the_daemon_runs() {
    let directory = sound();
    drop(open(directory.path(), BOOT, 100));
    assert_eq!(open(directory.path(), OTHER, 101).loss(), Some(&Loss::PowerLost));
}

#[test]
fn what_one_start_does_not_know_the_next_does_not_know_either() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), BOOT, 100);
    assert_eq!(journal.loss(), Some(&Loss::Missing));
    drop(journal);
    // It crashes, and starts again, nothing being lost in between.
    let mut journal = open(directory.path(), BOOT, 101);
    assert_eq!(journal.loss(), None);
    assert_eq!(journal.record(ALICE, token(1, 130), (), at(110)), Err(Reason::Uncertain));
    // Also when the clock was set right meanwhile.
    let later = Now { wall: at(5_000).wall, ..at(110) };
    assert_eq!(journal.record(ALICE, token(1, 5_020), (), later), Err(Reason::Uncertain));
    // An orderly stop so soon proves nothing to another boot,
    journal.finish(at(110)).unwrap();
    assert_eq!(open(directory.path(), OTHER, 111).loss(), Some(&Loss::PowerLost));
    // and nothing about the clock to this one.
    let mut journal = open(directory.path(), OTHER, 112);
    journal.finish(at(500)).unwrap();
    drop(journal);
    let mut journal = open(directory.path(), OTHER, 501);
    assert_eq!(journal.loss(), None);
    let set_right = Now { wall: at(9_000).wall, ..at(501) };
    let early = token(1, 9_000 - 501 + 111);
    assert_eq!(journal.record(ALICE, early, (), set_right), Err(Reason::Uncertain));
}

#[test]
fn a_journal_that_is_torn_or_changed_anywhere_is_a_loss() {
    let directory = sound();
    let mut journal = open(directory.path(), BOOT, 100);
    for id in 0..3 {
        assert_eq!(journal.record(ALICE, token(id, 100), (), at(100)), Ok(()));
    }
    drop(journal);
    let path = directory.path().join(NAME);
    let whole = fs::read(&path).unwrap();
    // The head and the first slots byte by byte; then samples of the rest.
    let places: Vec<_> = (0..5 * 64).chain((5 * 64..whole.len()).step_by(331)).collect();
    for place in places {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        for bytes in [&whole[..place], &changed] {
            fs::write(&path, bytes).unwrap();
            let mut journal = open(directory.path(), BOOT, 101);
            assert_eq!(journal.loss(), Some(&Loss::Damaged), "byte {place}");
            for id in 0..3 {
                let used = journal.record(ALICE, token(id, 100), (), at(101));
                assert!(used.is_err(), "byte {place}, token {id}");
            }
        }
    }
}

#[test]
fn what_is_forgotten_stays_refused_when_the_clock_steps_back_after_a_crash() {
    let directory = sound();
    let mut journal = open(directory.path(), BOOT, 100);
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(100)), Ok(()));
    // Others fill all slots, and then the first is needed again.
    let second = |number: u64| 200 + number * 31;
    for number in 0..200_u64 {
        let now = at(second(number));
        let mut fresh = token(9, second(number));
        fresh.id[..8].copy_from_slice(&number.to_be_bytes());
        assert_eq!(journal.record(BOB, fresh, (), now), Ok(()), "{number}");
    }
    drop(journal);
    let back = Now { wall: at(100).wall, ..at(second(200)) };
    let mut journal: Journal<()> = Journal::open(directory.path(), BOOT, CAPACITY, SKEW, back);
    assert_eq!(journal.loss(), None);
    assert!(journal.record(ALICE, token(1, 100), (), back).is_err());
}

#[test]
fn a_full_journal_takes_no_more_until_something_is_stale() {
    let directory = sound();
    let mut journal = open(directory.path(), BOOT, 100);
    for number in 0..CAPACITY {
        let user = [u8::try_from(number).unwrap(); 8];
        assert_eq!(journal.record(user, token(1, 100), (), at(100)), Ok(()));
    }
    assert_eq!(journal.record([200; 8], token(1, 100), (), at(100)), Err(Reason::Full));
    assert_eq!(journal.record([200; 8], token(1, 131), (), at(131)), Ok(()));
    assert_eq!(journal.room().1, CAPACITY);
}

#[test]
fn more_room_forgets_nothing() {
    let directory = sound();
    let mut journal = open(directory.path(), BOOT, 100);
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(100)), Ok(()));
    journal.fit(2 * CAPACITY, 2 * SKEW, at(100));
    assert_eq!(journal.room(), (1, 2 * CAPACITY));
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(100)), Err(Reason::Replayed));
    drop(journal);
    let mut journal = open(directory.path(), BOOT, 101);
    assert_eq!(journal.loss(), None);
    assert_eq!(journal.record(ALICE, token(1, 100), (), at(101)), Err(Reason::Replayed));
}

#[test]
fn where_it_cannot_be_kept_no_token_is_honoured_until_it_can() {
    let directory = sound();
    let path = directory.path().join(NAME);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let mut journal = open(directory.path(), BOOT, 100);
    assert!(journal.trouble().unwrap().contains("journal: "), "{:?}", journal.trouble());
    assert_eq!(journal.record(ALICE, token(1, 140), (), at(140)), Err(Reason::Failed));
    assert!(!journal.retry(at(140)));
    fs::remove_dir(&path).unwrap();
    assert!(journal.retry(at(141)));
    assert_eq!(journal.trouble(), None);
    assert_eq!(journal.record(ALICE, token(1, 140), (), at(141)), Ok(()));
}
