//! Leases under a new policy: what lives on, what ends, and that nobody is
//! shut out in between.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::policy::{Key, Parts, SSH, WEB, door, ip, mono, sequence, table, tcp, user};
use knockd::core::address::{Entry, Loopback};
use knockd::core::door::{Door, DoorIndex, Table};
use knockd::core::lease::{Ended, Holder, LeaseKey, Leases, Reloaded, Step, Why};
use knockd::core::policy::{OnRemove, Policy};
use knockd::core::reason::Reason;
use knockd::core::sequence::Sequence;
use knockd::core::slot::{Slot, TableList};
use knockd::core::time::Monotonic;
use knockd::core::user::{User, UserIndex};
use proptest::prelude::*;

const ALICE: Holder = Holder::User(UserIndex(0));
const BOB: Holder = Holder::User(UserIndex(1));
const HOST: &str = "192.0.2.7";

/// Doors ssh and web with a table each, alice and bob for both, a sequence
/// for ssh.
fn parts() -> Parts {
    Parts { sequences: vec![sequence(&[tcp(7_000), tcp(9_000)])], ..Parts::default() }
}

fn key(door: DoorIndex, host: &str) -> LeaseKey {
    LeaseKey { door, address: ip(host) }
}

/// Every table of these tests, at a place that stays.
fn tables() -> TableList {
    let mut tables = TableList::default();
    for name in ["knock_ssh", "knock_web", "other", "both", "one", "two", "three"] {
        tables.index(&table(name));
    }
    tables
}

fn slot_in(name: &str, entry: Entry) -> Slot {
    Slot { table: tables().find(&table(name)).unwrap(), entry }
}

fn named(Slot { table, entry }: Slot) -> (Table, IpAddr) {
    (tables().get(table).unwrap().clone(), entry.address())
}

/// As if it had been opened at the tests' beginning, until `end`.
fn put_back(leases: &mut Leases, key: LeaseKey, holder: Holder, end: u64, foreign: bool) {
    let back = leases.restore(key, holder, mono(0), mono(end), foreign);
    assert!(back.is_ok());
}

/// Ten minutes of ssh for the host.
fn one(holder: Holder, foreign: bool) -> Leases {
    let mut leases = Leases::new(parts().policy(), &mut tables());
    put_back(&mut leases, key(SSH, HOST), holder, 600_000, foreign);
    leases
}

fn retired(leases: &Leases, policy: Policy) -> Arc<Policy> {
    let gone = leases.doors_gone_from(&policy);
    Arc::new(policy.with_retired(gone))
}

fn under(leases: Leases, parts: Parts, on_remove: OnRemove) -> Reloaded {
    let policy = Arc::into_inner(parts.policy()).unwrap();
    let policy = match on_remove {
        OnRemove::Keep => retired(&leases, policy),
        OnRemove::Close => policy.into(),
    };
    leases.under(policy, &mut tables(), on_remove, mono(0))
}

fn only_lease(reloaded: &Reloaded) -> (LeaseKey, Holder, Monotonic) {
    assert_eq!((reloaded.leases.len(), &reloaded.ended[..]), (1, &[][..]));
    let (key, lease) = reloaded.leases.iter_after(None).next().unwrap();
    (key, lease.holder, lease.deadline)
}

fn add(key: LeaseKey, name: &str) -> Step {
    Step::Add { key, slot: slot_in(name, Entry::host(key.address)) }
}

fn delete(name: &str) -> Step {
    Step::Delete { slot: slot_in(name, Entry::host(ip(HOST))) }
}

#[track_caller]
fn assert_ends(reloaded: &Reloaded, why: Why) {
    assert!(reloaded.leases.is_empty());
    let ended: Vec<_> = reloaded.ended.iter().map(|ended| (ended.key, ended.why)).collect();
    assert_eq!(ended, [(key(SSH, HOST), why)]);
    assert_eq!(reloaded.steps, [delete("knock_ssh")]);
}

#[test]
fn under_the_same_policy_every_lease_stays() {
    for holder in [ALICE, BOB, Holder::Sequence, Holder::Administrator] {
        for on_remove in [OnRemove::Close, OnRemove::Keep] {
            let reloaded = under(one(holder, false), parts(), on_remove);
            assert_eq!(only_lease(&reloaded), (key(SSH, HOST), holder, mono(600_000)));
            assert_eq!((&reloaded.steps[..], &reloaded.moved[..]), (&[][..], &[][..]));
            assert!(reloaded.cut.is_empty());
        }
    }
}

#[test]
fn doors_and_users_are_the_same_wherever_they_stand() {
    let turned = Parts {
        doors: vec![door("mail"), door("web"), door("ssh")],
        users: ["carol", "bob", "alice"]
            .map(|name| {
                let key = match name {
                    "carol" => Key::Secret([0xcc; 32]),
                    "bob" => Key::bob(),
                    _ => Key::alice(),
                };
                User { doors: vec![DoorIndex(1), DoorIndex(2)], ..user(name, &key) }
            })
            .into(),
        ..parts()
    };
    let reloaded = under(one(ALICE, false), turned, OnRemove::Close);
    let (key, holder, _) = only_lease(&reloaded);
    assert_eq!((key.door, holder), (DoorIndex(2), Holder::User(UserIndex(2))));
    assert_eq!(reloaded.leases.count_held(holder), Some(1));
    assert_eq!(reloaded.leases.count_of(DoorIndex(2)), 1);
    assert!(reloaded.steps.is_empty());
}

#[test]
fn a_user_is_the_same_by_the_credential_or_else_by_the_name() {
    let renamed = vec![user("bob", &Key::bob()), user("alice-2", &Key::alice())];
    let reloaded =
        under(one(ALICE, false), Parts { users: renamed, ..parts() }, OnRemove::Close);
    assert_eq!(only_lease(&reloaded).1, Holder::User(UserIndex(1)));

    let other_key = vec![user("bob", &Key::bob()), user("alice", &Key::Secret([1; 32]))];
    let users = Parts { users: other_key, ..parts() };
    assert_eq!(only_lease(&under(one(ALICE, false), users, OnRemove::Close)).1, BOB);

    // Who has her key counts for more than who has her name.
    let swapped = vec![user("alice", &Key::bob()), user("bob", &Key::alice())];
    let users = Parts { users: swapped, ..parts() };
    assert_eq!(only_lease(&under(one(ALICE, false), users, OnRemove::Close)).1, BOB);
}

#[test]
fn a_lease_moves_with_its_door_to_another_table_without_a_gap() {
    let other = || Parts {
        doors: vec![Door { table: table("other"), ..door("ssh") }, door("web")],
        ..parts()
    };
    let reloaded = under(one(ALICE, false), other(), OnRemove::Close);
    assert_eq!(only_lease(&reloaded).0, key(SSH, HOST));
    assert_eq!(reloaded.moved, [key(SSH, HOST)]);
    assert_eq!(reloaded.steps, [add(key(SSH, HOST), "other"), delete("knock_ssh")]);
    assert!(!reloaded.leases.is_foreign(&key(SSH, HOST)));

    // What was there before us in the old table stays there.
    let reloaded = under(one(ALICE, true), other(), OnRemove::Close);
    assert_eq!(reloaded.steps, [add(key(SSH, HOST), "other")]);
    assert!(!reloaded.leases.is_foreign(&key(SSH, HOST)));
}

#[test]
fn a_lease_that_stays_does_not_get_what_was_there_before_it() {
    let reloaded = under(one(ALICE, true), parts(), OnRemove::Close);
    assert!(reloaded.leases.is_foreign(&key(SSH, HOST)) && reloaded.steps.is_empty());
    // Nor does one that comes to it.
    let mut leases = one(ALICE, true);
    put_back(&mut leases, key(WEB, HOST), BOB, 9, false);
    let web = Door { table: table("knock_ssh"), ..door("web") };
    let doors = vec![door("ssh"), web];
    let reloaded = under(leases, Parts { doors, ..parts() }, OnRemove::Close);
    assert!(reloaded.leases.is_foreign(&key(WEB, HOST)));
    assert_eq!(reloaded.steps, [delete("knock_web")]);
}

#[test]
fn doors_that_come_to_share_a_table_share_its_entry() {
    let mut leases = one(ALICE, false);
    put_back(&mut leases, key(WEB, HOST), BOB, 9, false);
    let both = |name: &str| {
        vec!["ssh", "web"].into_iter().map(|n| Door { table: table(name), ..door(n) }).collect()
    };
    let reloaded = under(leases, Parts { doors: both("both"), ..parts() }, OnRemove::Close);
    assert_eq!(
        reloaded.steps,
        [add(key(SSH, HOST), "both"), delete("knock_ssh"), delete("knock_web")]
    );
    // And apart again, one of them closed.
    let doors = vec![door("web")];
    let reloaded = under(reloaded.leases, Parts { doors, ..only_web() }, OnRemove::Close);
    assert_eq!(reloaded.steps, [add(key(DoorIndex(0), HOST), "knock_web"), delete("both")]);
}

/// Both users for web, which is the only door, and no sequence.
fn only_web() -> Parts {
    let web = |name: &str, key: &Key| User { doors: vec![DoorIndex(0)], ..user(name, key) };
    Parts {
        doors: vec![door("web")],
        users: vec![web("alice", &Key::alice()), web("bob", &Key::bob())],
        ..Parts::default()
    }
}

#[test]
fn a_lease_is_cut_to_what_its_door_allows_from_now_on() {
    let short = Door { max_open_for: Duration::from_secs(60), ..door("ssh") };
    let doors = vec![short, door("web")];
    let reloaded = under(one(ALICE, false), Parts { doors, ..parts() }, OnRemove::Keep);
    assert_eq!(only_lease(&reloaded).2, mono(60_000));
    assert_eq!(reloaded.cut, [key(SSH, HOST)]);
    assert_eq!(reloaded.leases.next_deadline(), Some(mono(60_000)));
}

#[test]
fn a_lease_is_cut_to_what_its_user_may_have_from_now_on() {
    let mut shorter = parts();
    shorter.users[0].max_open_for = Some(Duration::from_secs(5));
    let reloaded = under(one(ALICE, false), shorter, OnRemove::Close);
    assert_eq!(only_lease(&reloaded), (key(SSH, HOST), ALICE, mono(5_000)));
    assert_eq!(reloaded.cut, [key(SSH, HOST)]);
}

#[test]
fn a_lease_ends_where_its_user_may_not_be_any_more() {
    let nowhere_else = |network: &str| {
        let mut parts = parts();
        parts.users[0].networks.allowed = vec![Entry::new(ip(network), 24).unwrap()];
        under(one(ALICE, false), parts, OnRemove::Keep)
    };
    assert_ends(&nowhere_else("198.51.100.0"), Why::Right);
    assert_eq!(only_lease(&nowhere_else("192.0.2.0")).0, key(SSH, HOST));
}

#[test]
fn a_lease_whose_door_takes_another_prefix_moves_without_a_gap() {
    let mut wide = parts();
    wide.doors[0].v4_prefix = 24;
    let reloaded = under(one(ALICE, false), wide, OnRemove::Close);
    assert_eq!(reloaded.moved, [key(SSH, HOST)]);
    let network = Entry::new(ip(HOST), 24).unwrap();
    let add = Step::Add { key: key(SSH, HOST), slot: slot_in("knock_ssh", network) };
    assert_eq!(reloaded.steps, [add, delete("knock_ssh")]);
}

#[test]
fn a_lease_ends_with_its_door() {
    for holder in [ALICE, Holder::Sequence, Holder::Administrator] {
        assert_ends(&under(one(holder, false), only_web(), OnRemove::Close), Why::Door);
    }
    let foreign = under(one(ALICE, true), only_web(), OnRemove::Close);
    assert!(foreign.steps.is_empty() && foreign.ended.len() == 1);
}

#[test]
fn a_lease_that_is_kept_goes_on_under_a_door_that_nobody_can_open() {
    for holder in [ALICE, Holder::Sequence, Holder::Administrator] {
        let reloaded = under(one(holder, false), only_web(), OnRemove::Keep);
        let behind = key(DoorIndex(1), HOST);
        assert_eq!(only_lease(&reloaded), (behind, holder, mono(600_000)));
        assert!(reloaded.steps.is_empty());

        let Reloaded { mut leases, .. } = reloaded;
        let policy = Arc::clone(leases.policy());
        assert!(policy.is_retired(behind.door) && !policy.is_retired(DoorIndex(0)));
        assert!(policy.door_by_name("ssh").is_none() && policy.door_by_name("web").is_some());
        assert_eq!(policy.door(behind.door).unwrap().name, "ssh");
        for holder in [ALICE, Holder::Sequence, Holder::Administrator] {
            assert_eq!(leases.admit(behind, holder), Err(Reason::Forbidden));
        }
        assert_eq!(leases.tables().len(), 2);
        let closed = leases.expire(mono(600_000)).unwrap();
        assert_eq!(closed.slot, Some(slot_in("knock_ssh", Entry::host(ip(HOST)))));
    }
}

#[test]
fn a_door_that_is_retired_stays_so_comes_back_or_is_closed_at_the_next_reload() {
    let kept = || under(one(ALICE, false), only_web(), OnRemove::Keep).leases;
    let again = under(kept(), only_web(), OnRemove::Keep);
    assert_eq!(only_lease(&again).0.door, DoorIndex(1));

    let back = under(kept(), parts(), OnRemove::Keep);
    assert_eq!(only_lease(&back), (key(SSH, HOST), ALICE, mono(600_000)));
    assert!(back.steps.is_empty() && !back.leases.policy().is_retired(SSH));

    let closed = under(kept(), only_web(), OnRemove::Close);
    assert_eq!(closed.ended[0].why, Why::Door);
    assert_eq!(closed.steps, [delete("knock_ssh")]);

    // Without a lease there is nothing to retire.
    let empty = under(Leases::new(parts().policy(), &mut tables()), only_web(), OnRemove::Keep);
    assert_eq!(empty.leases.policy().doors.len(), 1);
}

#[test]
fn a_lease_ends_with_its_user_or_is_nobody_s() {
    let bob_only = || Parts { users: vec![user("bob", &Key::bob())], ..parts() };
    assert_ends(&under(one(ALICE, false), bob_only(), OnRemove::Close), Why::Holder);
    let kept = under(one(ALICE, false), bob_only(), OnRemove::Keep);
    assert_eq!(only_lease(&kept), (key(SSH, HOST), Holder::Removed, mono(600_000)));
    assert_eq!(kept.leases.count_held(ALICE), Some(0), "the first is bob now");
    assert_eq!(kept.leases.admit(key(SSH, HOST), Holder::Removed), Err(Reason::Forbidden));

    let Reloaded { leases, .. } = under(kept.leases, bob_only(), OnRemove::Keep);
    assert_ends(&under(leases, bob_only(), OnRemove::Close), Why::Holder);
}

#[test]
fn a_lease_of_a_sequence_ends_with_the_last_that_opens_its_door() {
    let silent = || Parts { sequences: Vec::new(), ..parts() };
    assert_ends(&under(one(Holder::Sequence, false), silent(), OnRemove::Close), Why::Holder);
    let kept = under(one(Holder::Sequence, false), silent(), OnRemove::Keep);
    assert_eq!(only_lease(&kept).1, Holder::Sequence);
    let other = Sequence { doors: vec![WEB], ..sequence(&[tcp(1), tcp(2)]) };
    let sequences = Parts { sequences: vec![other], ..parts() };
    assert_ends(&under(one(Holder::Sequence, false), sequences, OnRemove::Close), Why::Holder);
}

#[test]
fn what_is_forbidden_ends_even_if_what_is_gone_is_kept() {
    for on_remove in [OnRemove::Close, OnRemove::Keep] {
        let no_right = vec![User { doors: vec![WEB], ..user("alice", &Key::alice()) }];
        let users = Parts { users: no_right, ..parts() };
        assert_ends(&under(one(ALICE, false), users, on_remove), Why::Right);

        let allowed = Parts { loopback: Loopback::Allowed, ..parts() };
        let mut leases = Leases::new(allowed.policy(), &mut tables());
        let local = key(SSH, "127.0.0.1");
        put_back(&mut leases, local, Holder::Administrator, 9, false);
        let reloaded = under(leases, parts(), on_remove);
        let [Ended { key, lease, why: Why::Address }] = reloaded.ended[..] else {
            panic!("{:?}", reloaded.ended)
        };
        assert_eq!((key, lease.holder), (local, Holder::Administrator));
    }
}

#[test]
fn no_more_doors_are_retired_than_an_index_counts() {
    let many = (0..70_000).map(|number| door(&format!("d{number}"))).collect();
    let policy = Arc::into_inner(parts().policy()).unwrap().with_retired(many);
    assert_eq!(policy.doors.len(), 65_536);
    assert!(policy.is_retired(DoorIndex(u16::MAX)));
}

#[test]
fn more_leases_than_the_new_limits_allow_live_on() {
    let mut leases = Leases::new(parts().policy(), &mut tables());
    for number in 0..50_u8 {
        let address = IpAddr::from([192, 0, 2, number]);
        let key = LeaseKey { door: SSH, address };
        put_back(&mut leases, key, ALICE, 9, false);
    }
    let users = vec![User { max_leases: 1, ..user("alice", &Key::alice()) }];
    let doors = vec![Door { max_leases: 1, ..door("ssh") }, door("web")];
    let reloaded = under(leases, Parts { users, doors, ..parts() }, OnRemove::Close);
    assert_eq!((reloaded.leases.len(), reloaded.leases.count_held(ALICE)), (50, Some(50)));
    assert_eq!(reloaded.leases.admit(key(WEB, HOST), ALICE), Err(Reason::Full));
}

/// A policy of some of the doors a, b, c and the users alice, bob, each door
/// with one of three tables.
fn policies() -> impl Strategy<Value = Parts> {
    let door = |name: &'static str| {
        let table = prop::sample::select(vec!["one", "two", "three"]).prop_map(table);
        let door = (table, 1_u64..20).prop_map(move |(table, most)| Door {
            table,
            max_open_for: Duration::from_secs(most),
            ..door(name)
        });
        prop::option::weighted(0.8, door)
    };
    let rights = || prop::option::weighted(0.8, prop::collection::vec(any::<bool>(), 3));
    let parts =
        (door("a"), door("b"), door("c"), rights(), rights(), any::<(bool, bool, bool)>());
    parts.prop_map(|(a, b, c, alice, bob, (turned, local, knocks))| {
        let mut doors: Vec<Door> = [a, b, c].into_iter().flatten().collect();
        if turned {
            doors.reverse();
        }
        let indices = || (0..).map(DoorIndex).take(doors.len());
        let user = |name: &str, key: &Key, rights: Vec<bool>| {
            let doors = indices().zip(rights).filter(|(_, may)| *may).map(|(door, _)| door);
            User { doors: doors.collect(), ..user(name, key) }
        };
        let mut users = Vec::new();
        users.extend(alice.map(|rights| user("alice", &Key::alice(), rights)));
        users.extend(bob.map(|rights| user("bob", &Key::bob(), rights)));
        let doors_of_sequence = indices().take(usize::from(knocks)).collect();
        let sequences =
            vec![Sequence { doors: doors_of_sequence, ..sequence(&[tcp(1), tcp(2)]) }];
        let loopback = if local { Loopback::Allowed } else { Loopback::Refused };
        Parts { doors, users, sequences, loopback, ..Parts::default() }
    })
}

/// A lease as a test draws it: door, host and holder by number, seconds.
type Drawn = (u16, u8, u8, u64);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec((0..3_u16, 0..4_u8, 0..4_u8, 1..40_u64), 0..20)
}

fn slot(policy: &Policy, key: &LeaseKey) -> (Table, IpAddr) {
    (policy.door(key.door).unwrap().table.clone(), key.address)
}

/// Leases as drawn; in the first of the hosts' tables their entries stood
/// before.
fn open(policy: &Arc<Policy>, drawn: &[Drawn]) -> Leases {
    let mut leases = Leases::new(Arc::clone(policy), &mut tables());
    for (door, host, holder, seconds) in drawn {
        let address =
            ["127.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1"][usize::from(*host)];
        let key = key(DoorIndex(*door), address);
        let holder = match holder {
            0 => Holder::Sequence,
            1 => Holder::Administrator,
            number if usize::from(*number - 2) < policy.users.len() => {
                Holder::User(UserIndex(u32::from(*number - 2)))
            }
            _ => Holder::Removed,
        };
        if policy.door(key.door).is_none() {
            continue;
        }
        let foreign = *host == 1 && slot(policy, &key).0 == table("one");
        put_back(&mut leases, key, holder, seconds * 1_000, foreign);
    }
    leases
}

/// Everything there is to know of leases.
fn known(leases: &Leases) -> impl PartialEq + std::fmt::Debug + use<> {
    let policy = leases.policy();
    let live: Vec<_> = leases
        .iter_after(None)
        .map(|(key, lease)| (key, *lease, leases.is_foreign(&key)))
        .collect();
    let doors: Vec<_> = (0..)
        .map(DoorIndex)
        .take(policy.doors.len())
        .map(|door| leases.count_of(door))
        .collect();
    let users = (0..).map(UserIndex).take(policy.users.len()).map(Holder::User);
    let held: Vec<_> =
        users.chain([Holder::Administrator]).map(|holder| leases.count_held(holder)).collect();
    let tables: BTreeMap<Table, BTreeSet<Entry>> = leases
        .tables()
        .iter()
        .map(|table| {
            (tables().get(*table).unwrap().clone(), leases.entries_of(*table).collect())
        })
        .collect();
    (live, doors, held, tables, leases.next_deadline(), leases.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn leases_under_a_new_policy_are_as_those_that_were_made_under_it(
        old in policies(),
        new in policies(),
        drawn in drawn(),
        keeps in any::<bool>(),
    ) {
        let old = old.policy();
        let leases = open(&old, &drawn);
        let before: Vec<_> = leases.iter_after(None).map(|(key, lease)| (key, *lease)).collect();
        let foreign: BTreeSet<_> = before
            .iter()
            .filter(|(key, _)| leases.is_foreign(key))
            .map(|(key, _)| slot(&old, key))
            .collect();
        let mut kernel: BTreeSet<_> = before.iter().map(|(key, _)| slot(&old, key)).collect();
        let reloaded = under(leases, new, if keeps { OnRemove::Keep } else { OnRemove::Close });
        let policy = Arc::clone(reloaded.leases.policy());

        // Each lease lives on or has ended.
        prop_assert_eq!(reloaded.leases.len() + reloaded.ended.len(), before.len());
        let mut anew = Leases::new(Arc::clone(&policy), &mut tables());
        for (key, lease) in reloaded.leases.iter_after(None) {
            let of_door = policy.door(key.door).unwrap();
            prop_assert!(lease.deadline <= mono(0) + of_door.max_open_for);
            let foreign = foreign.contains(&slot(&policy, &key));
            let back = anew.restore(key, lease.holder, lease.opened, lease.deadline, foreign);
            prop_assert!(back.is_ok());
        }
        prop_assert_eq!(known(&reloaded.leases), known(&anew));

        // Whoever lives on is let in by the old table until the new one does.
        let living: Vec<_> = reloaded.leases.iter_after(None).map(|(key, _)| key).collect();
        let old_slot = |key: &LeaseKey| {
            let name = &policy.door(key.door).unwrap().name;
            let door = old.doors.iter().find(|door| door.name == *name).unwrap();
            (door.table.clone(), key.address)
        };
        for step in &reloaded.steps {
            match step {
                Step::Add { key, slot: added } => {
                    prop_assert_eq!(&slot(&policy, key), &named(*added));
                    prop_assert!(kernel.insert(named(*added)), "twice");
                }
                Step::Delete { slot } => {
                    let gone = named(*slot);
                    prop_assert!(!foreign.contains(&gone), "not ours");
                    prop_assert!(kernel.remove(&gone), "twice");
                }
            }
            for key in &living {
                let is_in = kernel.contains(&slot(&policy, key));
                prop_assert!(is_in || kernel.contains(&old_slot(key)), "{:?} is out", key);
            }
        }
        let needed: BTreeSet<_> = living.iter().map(|key| slot(&policy, key)).collect();
        prop_assert_eq!(kernel, &needed | &foreign);
    }

    #[test]
    fn a_reload_that_changes_nothing_changes_no_lease_that_may_be(
        policy in policies(),
        drawn in drawn(),
    ) {
        let policy = policy.policy();
        let first = open(&policy, &drawn).under(Arc::clone(&policy), &mut tables(), OnRemove::Close, mono(0));
        let was = known(&first.leases);
        let second = first.leases.under(policy, &mut tables(), OnRemove::Close, mono(0));
        prop_assert!(second.ended.is_empty() && second.steps.is_empty());
        prop_assert!(second.cut.is_empty() && second.moved.is_empty());
        prop_assert_eq!(known(&second.leases), was);
    }
}
