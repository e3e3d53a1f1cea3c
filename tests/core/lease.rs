//! Leases against a model that is a list, and a kernel's table beside them.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::policy::{Key, Parts, SSH, WEB, door, ip, mono, table, user};
use knockd::core::address::Entry;
use knockd::core::door::{Door, DoorIndex, Table};
use knockd::core::lease::{ADMIN_RESERVE, Admission, Closed, Holder, LeaseKey, Leases};
use knockd::core::policy::{Limits, Policy};
use knockd::core::reason::Reason;
use knockd::core::slot::{Slot, TableIndex, TableList};
use knockd::core::time::Monotonic;
use knockd::core::user::{User, UserIndex};
use proptest::prelude::*;

const ALICE: Holder = Holder::User(UserIndex(0));
const BOB: Holder = Holder::User(UserIndex(1));
const SEQUENCE: Holder = Holder::Sequence;
const ADMINISTRATOR: Holder = Holder::Administrator;
/// In the shared table, as ssh is.
const MAIL: DoorIndex = DoorIndex(2);

/// Doors ssh and mail share a table, web has its own. Room for four leases
/// in all, two of mail, three of alice, one of bob.
fn policy() -> Arc<Policy> {
    let shared = |name, max_leases| Door { table: table("shared"), max_leases, ..door(name) };
    let anchored = Table { anchor: Some("knockd".to_owned()), ..table("shared") };
    let doors =
        vec![shared("ssh", 9), Door { table: anchored, ..door("web") }, shared("mail", 2)];
    let users = vec![
        User { max_leases: 3, ..user("alice", &Key::alice()) },
        User { max_leases: 1, ..user("bob", &Key::bob()) },
    ];
    let limits = Limits { max_leases: 4, max_attempts: 1 };
    Parts { doors, users, limits, ..Parts::default() }.policy()
}

/// The first door's table is listed first.
const SHARED: TableIndex = TableIndex(0);

/// The table that leases of `policy` know by `index`.
fn name(policy: &Policy, index: TableIndex) -> Table {
    let mut tables = TableList::default();
    for door in &policy.doors {
        tables.index(&door.table);
    }
    tables.get(index).unwrap().clone()
}

fn leases() -> Leases {
    Leases::new(policy(), &mut TableList::default())
}

fn key(door: DoorIndex, host: &str) -> LeaseKey {
    LeaseKey { door, address: ip(host) }
}

/// Opens as the keeper does; the kernel's table is empty.
fn open(
    leases: &mut Leases,
    key: LeaseKey,
    holder: Holder,
    seconds: u64,
    now: u64,
) -> Result<Admission, Reason> {
    let admission = leases.admit(key, holder)?;
    leases.commit(key, holder, Duration::from_secs(seconds), mono(now), false);
    Ok(admission)
}

#[test]
fn opening_again_extends_and_never_shortens() {
    let mut leases = leases();
    let key = key(SSH, "192.0.2.7");
    assert_eq!(open(&mut leases, key, ALICE, 60, 0), Ok(Admission::AddEntry));
    assert_eq!(open(&mut leases, key, ALICE, 10, 1_000), Ok(Admission::Extends));
    assert_eq!(leases.next_deadline(), Some(mono(60_000)));
    assert_eq!(open(&mut leases, key, ALICE, 60, 2_000), Ok(Admission::Extends));
    assert_eq!(leases.next_deadline(), Some(mono(62_000)));
    assert_eq!(leases.get(&key).unwrap().opened, mono(0));
    assert_eq!(leases.len(), 1);
}

#[test]
fn a_lease_ends_at_its_deadline_and_not_a_nanosecond_before() {
    let mut leases = leases();
    let key = key(SSH, "192.0.2.7");
    let _ = open(&mut leases, key, ALICE, 60, 0);
    let before = Monotonic::from_nanos(mono(60_000).as_nanos() - 1);
    assert_eq!(leases.expire(before), None);
    let closed = leases.expire(mono(60_000)).unwrap();
    assert_eq!(closed.slot, Some(Slot { table: SHARED, entry: Entry::host(key.address) }));
    assert!(leases.is_empty() && leases.next_deadline().is_none());
}

#[test]
fn a_shared_entry_goes_with_its_last_door() {
    let mut leases = leases();
    let (ssh, mail, web) =
        (key(SSH, "192.0.2.7"), key(MAIL, "192.0.2.7"), key(WEB, "192.0.2.7"));
    assert_eq!(open(&mut leases, ssh, SEQUENCE, 60, 0), Ok(Admission::AddEntry));
    assert_eq!(open(&mut leases, mail, SEQUENCE, 30, 0), Ok(Admission::SharesEntry));
    assert_eq!(open(&mut leases, web, SEQUENCE, 90, 0), Ok(Admission::AddEntry));
    assert_eq!(leases.expire(mono(30_000)).map(|closed| closed.slot), Some(None));
    assert!(leases.expire(mono(60_000)).unwrap().slot.is_some());
}

#[test]
fn an_entry_that_was_there_before_is_never_to_be_taken_out() {
    let mut leases = leases();
    let (ssh, mail) = (key(SSH, "192.0.2.7"), key(MAIL, "192.0.2.7"));
    leases.commit(ssh, SEQUENCE, Duration::from_secs(1), mono(0), true);
    assert_eq!(leases.admit(mail, SEQUENCE), Ok(Admission::SharesEntry));
    leases.commit(mail, SEQUENCE, Duration::from_secs(1), mono(0), true);
    assert_eq!(leases.entries_of(SHARED).count(), 0, "it is not ours");
    assert_eq!(leases.close_any().unwrap().slot, None);
    assert_eq!(leases.close_any().unwrap().slot, None);
    assert!(leases.close_any().is_none());
}

#[test]
fn an_entry_that_had_to_be_put_in_again_is_ours() {
    let mut leases = leases();
    let ssh = key(SSH, "192.0.2.7");
    leases.commit(ssh, SEQUENCE, Duration::from_secs(9), mono(0), true);
    leases.commit(ssh, SEQUENCE, Duration::from_secs(1), mono(0), false);
    assert!(leases.close_any().unwrap().slot.is_some());
}

#[test]
fn who_extends_a_lease_holds_it_and_pays_for_it() {
    let mut leases = leases();
    let (first, second) = (key(SSH, "192.0.2.1"), key(SSH, "192.0.2.2"));
    assert!(open(&mut leases, first, BOB, 60, 0).is_ok());
    assert_eq!(open(&mut leases, second, BOB, 60, 0), Err(Reason::Full));
    assert!(open(&mut leases, first, ALICE, 61, 0).is_ok());
    assert_eq!(leases.get(&first).unwrap().holder, ALICE);
    assert!(open(&mut leases, second, BOB, 60, 0).is_ok());
    assert_eq!(open(&mut leases, first, BOB, 99, 0), Err(Reason::Full));
    assert_eq!(leases.next_deadline(), Some(mono(60_000)), "refused, so not extended");
}

#[test]
fn a_sequence_that_everybody_knows_does_not_keep_users_out() {
    let mut leases = leases();
    let flood = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
    let opened =
        flood.iter().filter(|host| open(&mut leases, key(SSH, host), SEQUENCE, 60, 0).is_ok());
    assert_eq!(opened.count(), 3, "three quarters of four");
    assert!(open(&mut leases, key(SSH, "192.0.2.9"), ALICE, 60, 0).is_ok());
}

#[test]
fn a_door_that_does_not_exist_is_forbidden() {
    assert_eq!(
        leases().admit(key(DoorIndex(9), "192.0.2.7"), SEQUENCE),
        Err(Reason::Forbidden)
    );
    assert_eq!(
        leases().admit(key(SSH, "192.0.2.7"), Holder::User(UserIndex(9))),
        Err(Reason::Full),
        "nor has a user who does not exist room"
    );
}

#[derive(Debug, Clone)]
enum Act {
    Open { key: LeaseKey, holder: Holder, seconds: u64 },
    Close(LeaseKey),
    Pass { seconds: u64 },
}

struct Held {
    key: LeaseKey,
    holder: Holder,
    opened: Monotonic,
    deadline: Monotonic,
}

/// What is open by a list, and what stands in the tables.
struct Model {
    policy: Arc<Policy>,
    held: Vec<Held>,
    foreign: BTreeSet<(Table, IpAddr)>,
    kernel: BTreeSet<(Table, IpAddr)>,
}

impl Model {
    fn slot(&self, key: LeaseKey) -> (Table, IpAddr) {
        (self.policy.door(key.door).unwrap().table.clone(), key.address)
    }

    fn admit(&self, key: LeaseKey, holder: Holder) -> Result<Admission, Reason> {
        let count = |test: &dyn Fn(&Held) -> bool| {
            u32::try_from(self.held.iter().filter(|held| test(held)).count()).unwrap()
        };
        let mine = self.held.iter().find(|held| held.key == key);
        let quota = holder.user().map(|user| self.policy.user(user).unwrap().max_leases);
        if mine.is_none_or(|held| held.holder != holder)
            && quota.is_some_and(|quota| count(&|held| held.holder == holder) >= quota)
        {
            return Err(Reason::Full);
        }
        let most = self.policy.limits.max_leases;
        if let Some(mine) = mine {
            let is_reserved = mine.holder == ADMINISTRATOR && count(&|_| true) > most;
            let takes_over = mine.holder != holder;
            let is_refused = is_reserved && takes_over;
            return if is_refused { Err(Reason::Full) } else { Ok(Admission::Extends) };
        }
        let door = self.policy.door(key.door).unwrap();
        let is_users_too = self.policy.users.iter().any(|user| user.may_open(key.door));
        let part = |limit: u32, shared: bool| match holder {
            SEQUENCE if shared => limit - limit / 4,
            _ => limit,
        };
        if holder == ADMINISTRATOR {
            assert!(count(&|_| true) < most + ADMIN_RESERVE);
        } else if count(&|_| true) >= part(most, true)
            || count(&|held| held.key.door == key.door) >= part(door.max_leases, is_users_too)
        {
            return Err(Reason::Full);
        }
        let shares = self.held.iter().any(|held| self.slot(held.key) == self.slot(key));
        Ok(if shares { Admission::SharesEntry } else { Admission::AddEntry })
    }

    fn open(&mut self, leases: &mut Leases, act: (LeaseKey, Holder), end: Held) {
        let (key, holder) = act;
        let admission = leases.admit(key, holder);
        assert_eq!(admission, self.admit(key, holder));
        if admission.is_err() {
            return;
        }
        let slot = self.slot(key);
        let foreign = !self.kernel.insert(slot);
        let span = end.deadline.since(end.opened);
        let deadline = leases.commit(key, holder, span, end.opened, foreign);
        match self.held.iter_mut().find(|held| held.key == key) {
            Some(held) if held.deadline < end.deadline => {
                (held.holder, held.deadline) = (holder, end.deadline);
            }
            Some(_) => {}
            None => self.held.push(end),
        }
        let held = self.held.iter().find(|held| held.key == key).unwrap();
        assert_eq!(deadline, held.deadline);
    }

    fn closed(&mut self, closed: &Closed) {
        let place = self.held.iter().position(|held| held.key == closed.key).unwrap();
        let held = self.held.remove(place);
        assert_eq!(
            (closed.lease.holder, closed.lease.opened, closed.lease.deadline),
            (held.holder, held.opened, held.deadline)
        );
        if let Some(slot) = &closed.slot {
            let slot = (name(&self.policy, slot.table), slot.entry.address());
            assert!(!self.foreign.contains(&slot), "{slot:?} is not ours");
            assert!(self.kernel.remove(&slot), "{slot:?} is taken out twice");
        }
    }

    fn check(&self, leases: &Leases) {
        let wanted: BTreeSet<_> = self.held.iter().map(|held| self.slot(held.key)).collect();
        assert_eq!(self.kernel, &wanted | &self.foreign);
        assert_eq!(leases.len(), self.held.len());
        assert_eq!(leases.next_deadline(), self.held.iter().map(|held| held.deadline).min());
        for held in &self.held {
            assert_eq!(leases.get(&held.key).map(|lease| lease.holder), Some(held.holder));
        }
        let ours: BTreeSet<_> = &wanted - &self.foreign;
        let listed = leases.tables();
        let listed = listed.iter().flat_map(|table| {
            leases.entries_of(*table).map(|entry| (name(&self.policy, *table), entry.address()))
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), ours);
    }
}

fn hosts() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec!["192.0.2.1", "192.0.2.2", "2001:db8::1"]).prop_map(ip)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let keys = || {
        (0_u16..3, hosts())
            .prop_map(|(door, address)| LeaseKey { door: DoorIndex(door), address })
    };
    let holders = prop::sample::select(vec![SEQUENCE, ALICE, BOB, ADMINISTRATOR]);
    let act = prop_oneof![
        4 => (keys(), holders, 0_u64..20)
            .prop_map(|(key, holder, seconds)| Act::Open { key, holder, seconds }),
        1 => keys().prop_map(Act::Close),
        2 => (0_u64..9).prop_map(|seconds| Act::Pass { seconds }),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn leases_do_what_the_model_does(
        acts in acts(),
        foreign in prop::collection::btree_set((any::<bool>(), hosts()), 0..3),
    ) {
        let policy = policy();
        let mut leases = Leases::new(Arc::clone(&policy), &mut TableList::default());
        let place = |in_anchor| policy.doors[usize::from(in_anchor)].table.clone();
        let foreign: BTreeSet<_> =
            foreign.into_iter().map(|(in_anchor, host)| (place(in_anchor), host)).collect();
        let kernel = foreign.clone();
        let mut model = Model { policy: Arc::clone(&policy), held: Vec::new(), foreign, kernel };
        let mut seconds_passed = 0;
        for act in acts {
            let now = mono(1_000 * seconds_passed);
            match act {
                Act::Open { key, holder, seconds } => {
                    let deadline = now + Duration::from_secs(seconds);
                    let end = Held { key, holder, opened: now, deadline };
                    model.open(&mut leases, (key, holder), end);
                }
                Act::Close(key) => match leases.close(key) {
                    Some(closed) => model.closed(&closed),
                    None => prop_assert!(model.held.iter().all(|held| held.key != key)),
                },
                Act::Pass { seconds } => {
                    seconds_passed += seconds;
                    let now = mono(1_000 * seconds_passed);
                    while let Some(closed) = leases.expire(now) {
                        prop_assert!(closed.lease.deadline <= now, "closed early");
                        model.closed(&closed);
                    }
                    prop_assert!(model.held.iter().all(|held| held.deadline > now));
                }
            }
            model.check(&leases);
        }
        while let Some(closed) = leases.close_any() {
            model.closed(&closed);
        }
        prop_assert!(model.held.is_empty());
        prop_assert_eq!(model.kernel, model.foreign);
    }
}
