//! Leases that no packet asked for: the administrator's, those of an earlier
//! run, and very many.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::counting;
use crate::policy::{Key, Parts, SSH, WEB, door, ip, mono, table, user};
use knockd::core::address::Entry;
use knockd::core::door::{Door, DoorIndex};
use knockd::core::lease::{ADMIN_RESERVE, Admission, Holder, LEASE_SIZE, LeaseKey, Leases};
use knockd::core::policy::{Limits, Policy};
use knockd::core::reason::Reason;
use knockd::core::slot::{Slot, TableIndex, TableList};
use knockd::core::user::{User, UserIndex};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The first table of the doors.
const FIRST: TableIndex = TableIndex(0);

const ALICE: Holder = Holder::User(UserIndex(0));
const SPAN: Duration = Duration::from_secs(60);

fn limited(max_leases: u32) -> Arc<Policy> {
    let limits = Limits { max_leases, max_attempts: 1 };
    let doors = vec![Door { max_leases: 200_000, ..door("ssh") }, door("web")];
    let users = vec![User { max_leases: 200_000, ..user("alice", &Key::alice()) }];
    Parts { doors, users, limits, ..Parts::default() }.policy()
}

fn numbered(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

fn key(number: u32) -> LeaseKey {
    LeaseKey { door: SSH, address: numbered(number) }
}

/// Opens as many new leases as `holder` may, of at most `most`.
fn fill(leases: &mut Leases, holder: Holder, from: u32, most: u32) -> u32 {
    let opened = (from..from + most).take_while(|number| {
        let admission = leases.admit(key(*number), holder);
        if admission.is_ok() {
            leases.commit(key(*number), holder, SPAN, mono(0), false);
        }
        admission.is_ok()
    });
    u32::try_from(opened.count()).unwrap()
}

#[test]
fn who_fills_all_leases_does_not_keep_the_administrator_out() {
    let mut leases = Leases::new(limited(10), &mut TableList::default());
    assert_eq!(fill(&mut leases, ALICE, 0, 100), 10);
    assert_eq!(fill(&mut leases, Holder::Administrator, 100, 100), ADMIN_RESERVE);
    assert_eq!(leases.len(), 10 + ADMIN_RESERVE as usize);
    // A place that is given back is not the user's.
    assert!(leases.close(key(100)).is_some());
    assert_eq!(leases.admit(key(99), ALICE), Err(Reason::Full));
    assert_eq!(leases.admit(key(99), Holder::Administrator), Ok(Admission::AddEntry));
}

#[test]
fn nobody_takes_a_place_of_the_reserve_over() {
    let mut leases = Leases::new(limited(1), &mut TableList::default());
    assert_eq!(fill(&mut leases, Holder::Administrator, 0, 2), 2);
    assert_eq!(leases.admit(key(0), ALICE), Err(Reason::Full));
    assert_eq!(leases.admit(key(0), Holder::Sequence), Err(Reason::Full));
    assert!(leases.close(key(1)).is_some());
    assert_eq!(leases.admit(key(0), ALICE), Ok(Admission::Extends));
    leases.commit(key(0), ALICE, 2 * SPAN, mono(0), false);
    assert_eq!(leases.count_held(ALICE), Some(1));
    assert_eq!(leases.count_held(Holder::Administrator), Some(0));
}

#[test]
fn an_order_is_bound_by_no_limit_of_a_door() {
    let doors = vec![Door { max_leases: 1, ..door("ssh") }];
    let mut leases =
        Leases::new(Parts { doors, ..Parts::default() }.policy(), &mut TableList::default());
    assert_eq!(fill(&mut leases, ALICE, 0, 9), 1);
    assert_eq!(fill(&mut leases, Holder::Administrator, 9, 9), 9);
    assert_eq!(leases.count_of(SSH), 10);
    let nowhere = LeaseKey { door: DoorIndex(7), address: ip("192.0.2.7") };
    assert_eq!(leases.admit(nowhere, Holder::Administrator), Err(Reason::Forbidden));
}

#[test]
fn the_administrator_has_his_reserve_even_if_more_lives_than_may() {
    let mut leases = Leases::new(limited(1), &mut TableList::default());
    for number in 0..500 {
        let back = leases.restore(key(number), ALICE, mono(0), mono(9_000), false);
        assert_eq!(back, Ok(Admission::AddEntry));
    }
    assert_eq!(leases.admit(key(500), ALICE), Err(Reason::Full));
    assert_eq!(fill(&mut leases, Holder::Administrator, 500, 100), ADMIN_RESERVE);
}

#[test]
fn an_order_extends_what_anybody_holds_and_never_shortens_it() {
    let mut leases = Leases::new(limited(9), &mut TableList::default());
    leases.commit(key(1), ALICE, SPAN, mono(0), false);
    assert_eq!(leases.extend(key(1), SPAN / 2, mono(1_000)), Some(mono(60_000)));
    assert_eq!(leases.extend(key(1), SPAN, mono(1_000)), Some(mono(61_000)));
    assert_eq!(leases.extend(key(2), SPAN, mono(1_000)), None);
    let lease = leases.get(&key(1)).unwrap();
    assert_eq!((lease.holder, lease.opened), (ALICE, mono(0)));
    assert_eq!(leases.count_held(ALICE), Some(1));
    assert!(leases.expire(mono(60_999)).is_none(), "the old deadline is forgotten");
    assert!(leases.expire(mono(61_000)).is_some() && leases.is_empty());
    assert_eq!(leases.count_held(ALICE), Some(0));
}

#[test]
fn a_lease_of_an_earlier_run_is_as_it_was() {
    let shared = |name| Door { table: table("shared"), ..door(name) };
    let doors = vec![shared("ssh"), shared("web")];
    let mut leases =
        Leases::new(Parts { doors, ..Parts::default() }.policy(), &mut TableList::default());
    let (ssh, web) = (key(1), LeaseKey { door: WEB, ..key(1) });
    assert_eq!(leases.restore(ssh, ALICE, mono(1), mono(50), true), Ok(Admission::AddEntry));
    assert!(leases.is_foreign(&ssh));
    // The other had to put the entry in again before the run ended.
    let back = leases.restore(web, Holder::Administrator, mono(2), mono(60), false);
    assert_eq!(back, Ok(Admission::SharesEntry));
    assert!(!leases.is_foreign(&ssh));
    let lease = leases.get(&web).unwrap();
    assert_eq!((lease.holder, lease.opened), (Holder::Administrator, mono(2)));
    assert_eq!(lease.deadline, mono(60));
    assert_eq!(leases.close(ssh).unwrap().slot, None);
    let slot = leases.close(web).unwrap().slot;
    assert_eq!(slot, Some(Slot { table: FIRST, entry: Entry::host(numbered(1)) }));
}

#[test]
fn a_lease_that_comes_back_twice_is_one() {
    let mut leases = Leases::new(limited(9), &mut TableList::default());
    assert_eq!(
        leases.restore(key(1), ALICE, mono(0), mono(50), false),
        Ok(Admission::AddEntry)
    );
    let again = [(40, mono(50)), (60, mono(60))];
    for (deadline, expected) in again {
        let back = leases.restore(key(1), ALICE, mono(0), mono(deadline), false);
        assert_eq!(back, Ok(Admission::Extends));
        assert_eq!(leases.next_deadline(), Some(expected));
    }
    assert_eq!((leases.len(), leases.count_of(SSH)), (1, 1));
    assert_eq!(leases.count_held(ALICE), Some(1));
    let nowhere = LeaseKey { door: DoorIndex(7), ..key(1) };
    let back = leases.restore(nowhere, ALICE, mono(0), mono(50), false);
    assert_eq!(back, Err(Reason::Forbidden));
    assert_eq!(leases.len(), 1);
}

#[test]
fn an_entry_that_is_disowned_is_not_to_be_taken_out() {
    let mut leases = Leases::new(limited(9), &mut TableList::default());
    leases.commit(key(1), ALICE, SPAN, mono(0), false);
    leases.disown(&key(1));
    assert!(leases.is_foreign(&key(1)) && !leases.is_foreign(&key(2)));
    assert_eq!(leases.close(key(1)).unwrap().slot, None);
}

#[test]
fn the_leases_of_a_user_are_those_that_it_holds_now() {
    let mut leases = Leases::new(limited(9), &mut TableList::default());
    for number in 0..3 {
        leases.commit(key(number), ALICE, SPAN, mono(0), false);
    }
    leases.commit(key(1), Holder::Sequence, 2 * SPAN, mono(0), false);
    assert_eq!(leases.of_user(UserIndex(0)), [key(0), key(2)]);
    assert_eq!(leases.of_user(UserIndex(1)), []);
}

#[test]
fn a_hundred_thousand_leases_are_listed_by_pages_and_expire() {
    const COUNT: u32 = 100_000;
    let mut leases = Leases::new(limited(COUNT), &mut TableList::default());
    let before = counting::held();
    for number in 0..COUNT {
        // Not in the order of their keys.
        let key = key(number.wrapping_mul(0x9e37) % COUNT);
        assert_eq!(leases.admit(key, ALICE), Ok(Admission::AddEntry));
        let span = Duration::from_millis(u64::from(number));
        leases.commit(key, ALICE, span, mono(0), false);
    }
    assert_eq!(leases.admit(key(COUNT), ALICE), Err(Reason::Full));
    let taken = (counting::held() - before) / COUNT as usize;
    assert!(taken <= LEASE_SIZE, "{taken} bytes for each lease");

    let (mut listed, mut last) = (0, None);
    loop {
        let page: Vec<_> = leases.iter_after(last).take(1_000).map(|(key, _)| key).collect();
        assert!(page.is_sorted() && page.first().is_none_or(|first| last < Some(*first)));
        let Some(end) = page.last() else { break };
        (listed, last) = (listed + page.len(), Some(*end));
        if listed == 50_000 {
            // What comes and goes between two pages breaks nothing.
            assert!(leases.close(*end).is_some());
        }
    }
    assert_eq!(listed, COUNT as usize);

    let mut expired = 0;
    for now in (0..=u64::from(COUNT)).step_by(1_000) {
        while let Some(closed) = leases.expire(mono(now)) {
            assert!(closed.lease.deadline <= mono(now) && closed.slot.is_some());
            expired += 1;
        }
        assert!(leases.next_deadline().is_none_or(|next| next > mono(now)));
    }
    assert_eq!((expired, leases.len()), (COUNT - 1, 0));
    assert_eq!((leases.count_of(SSH), leases.count_held(ALICE)), (0, Some(0)));
    assert_eq!(leases.entries_of(FIRST).count(), 0);
}
