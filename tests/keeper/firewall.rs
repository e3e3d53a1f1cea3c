//! The keeper in front of a firewall that misbehaves in every way.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use knockd::core::address::{Entry, Loopback, Networks};
use knockd::core::claim::{Authorization, Claim, Ground};
use knockd::core::command::Commands;
use knockd::core::credential::secret::Secret;
use knockd::core::door::{Door, DoorIndex, OnClose, Table};
use knockd::core::gate::Refusal;
use knockd::core::policy::{Limits, OnRemove, Policy, Spa};
use knockd::core::reason::Reason;
use knockd::core::replay::ReplayId;
use knockd::core::rolling::{PERIOD, PORTS, Rolling, STEPS};
use knockd::core::sequence::{Sequence, SequenceIndex, Steps};
use knockd::core::sighting::{FlagMask, Port, Protocol};
use knockd::core::time::{BootId, Monotonic, Now, Wall};
use knockd::core::user::{CredentialIndex, PROOFS_PER_SECOND, SourcePolicy, User, UserIndex};
use knockd::firewall::{
    Added, BATCH, Deleted, Firewall, FirewallError, FirewallErrorKind, Kill, Outcomes, Status,
    Trace,
};
use knockd::keep::journal::Journal;
use knockd::keep::leases::recover;
use knockd::keep::recovery::doors_gone_from;
use knockd::log::{LINE_BURST, Log};
use knockd::process::keeper::doors::{Books, CHECK_INTERVAL, Doors};
use knockd::process::keeper::memory::{Brought, Memory};
use knockd::process::keeper::{Keeper, Origin};
use zeroize::Zeroizing;

use crate::lines::Lines;

/// A firewall with one table, as the test wants it to be.
#[derive(Default)]
struct Kernel {
    entries: BTreeSet<Entry>,
    is_missing: bool,
    is_off: bool,
    cannot_add: bool,
    loses_answers: bool,
    cannot_kill: bool,
    /// What was killed, and how many entries stood then.
    kills: Vec<(Kill, usize)>,
    /// References given out, and given back.
    references: Vec<u64>,
    released: Vec<u64>,
    cannot_delete: bool,
    /// The one entry that cannot be deleted.
    keeps: Option<Entry>,
    /// What shows changes by others, if anything does.
    trace: Option<Trace>,
    /// How many entries each deletion named, and how often the table was listed.
    deletions: Vec<usize>,
    lists: usize,
    /// How often the table was asked for one entry.
    questions: usize,
}

impl Kernel {
    fn refuses(&self, entry: Entry) -> bool {
        self.cannot_delete || self.keeps == Some(entry)
    }
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Kernel>>);

impl Fake {
    fn with<T>(&self, change: impl FnOnce(&mut Kernel) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn entries(&self) -> Vec<String> {
        self.with(|kernel| kernel.entries.iter().map(ToString::to_string).collect())
    }
}

fn failure(kind: FirewallErrorKind) -> FirewallError {
    FirewallError::new(kind, "", Some(io::Error::other("as the test wants")))
}

impl Firewall for Fake {
    fn probe(&mut self, _: &Table) -> Result<(), FirewallError> {
        self.with(|kernel| {
            if kernel.is_missing { Err(failure(FirewallErrorKind::Missing)) } else { Ok(()) }
        })
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError> {
        self.probe(table)?;
        self.with(|kernel| match (kernel.cannot_add, kernel.entries.insert(entry)) {
            (true, _) => {
                kernel.entries.remove(&entry);
                Err(failure(FirewallErrorKind::System))
            }
            _ if kernel.loses_answers => Err(failure(FirewallErrorKind::Unanswered)),
            (false, true) => Ok(Added::Added),
            (false, false) => Ok(Added::Present),
        })
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError> {
        self.probe(table)?;
        self.with(|kernel| match (kernel.refuses(entry), kernel.entries.remove(&entry)) {
            (true, _) => {
                kernel.entries.insert(entry);
                Err(failure(FirewallErrorKind::System))
            }
            (false, true) => Ok(Deleted::Deleted),
            (false, false) => Ok(Deleted::Absent),
        })
    }

    fn delete_all(&mut self, table: &Table, entries: &[Entry]) -> Outcomes<Deleted> {
        self.with(|kernel| kernel.deletions.push(entries.len()));
        entries.iter().map(|entry| (*entry, self.delete(table, *entry))).collect()
    }

    fn holds(&mut self, _: &Table, entry: Entry) -> Result<bool, FirewallError> {
        Ok(self.with(|kernel| {
            kernel.questions += 1;
            kernel.entries.contains(&entry)
        }))
    }

    fn traces(&mut self, tables: &[Table]) -> Vec<Option<Trace>> {
        vec![self.with(|kernel| kernel.trace); tables.len()]
    }

    fn list(&mut self, _: &Table) -> Result<Vec<Entry>, FirewallError> {
        Ok(self.with(|kernel| {
            kernel.lists += 1;
            kernel.entries.iter().copied().collect()
        }))
    }

    fn status(&mut self) -> Result<Status, FirewallError> {
        let is_off = self.with(|kernel| kernel.is_off);
        Ok(if is_off { Status::Disabled } else { Status::Enforcing })
    }

    fn create(&mut self, _: &Table) -> Result<(), FirewallError> {
        self.with(|kernel| kernel.is_missing = false);
        Ok(())
    }

    fn kill(&mut self, kill: &Kill) -> Result<u64, FirewallError> {
        self.with(|kernel| {
            if kernel.cannot_kill {
                return Err(failure(FirewallErrorKind::Denied));
            }
            kernel.kills.push((kill.clone(), kernel.entries.len()));
            Ok(if *kill == Kill::nothing() { 0 } else { 2 })
        })
    }

    fn enable(&mut self) -> Result<u64, FirewallError> {
        Ok(self.with(|kernel| {
            kernel.references.push(40 + kernel.references.len() as u64);
            *kernel.references.last().unwrap()
        }))
    }

    fn release(&mut self, reference: u64) -> Result<(), FirewallError> {
        self.with(|kernel| kernel.released.push(reference));
        Ok(())
    }
}

const SERVICE: Port = Port { protocol: Protocol::Tcp, number: 22 };
/// By the first sequence, whose steps stay.
const FRONT: Ground = Ground::Fixed(SequenceIndex(0));
/// The first sequence that rolls.
const REAR: SequenceIndex = SequenceIndex(1);
const ALICE: UserIndex = UserIndex(0);
const SSH: DoorIndex = DoorIndex(0);
const WEB: DoorIndex = DoorIndex(1);

struct Scene {
    keeper: Keeper,
    kernel: Fake,
    lines: Lines,
    salts: u8,
    _state: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::with(OnClose::KeepStates)
    }

    fn with(on_close: OnClose) -> Self {
        let change = |policy: &mut Policy| {
            policy.doors.iter_mut().for_each(|door| door.on_close = on_close);
        };
        Self::of(Books::default(), Fake::default(), change)
    }

    fn of(books: Books, kernel: Fake, change: impl FnOnce(&mut Policy)) -> Self {
        let door = |name: &str| Door {
            name: name.into(),
            table: Table { anchor: None, name: "knock".into() },
            ports: vec![SERVICE],
            open_for: Duration::from_secs(60),
            max_open_for: Duration::from_secs(600),
            max_leases: 10,
            on_close: OnClose::KeepStates,
            v4_prefix: 32,
            v6_prefix: 128,
            rdomain: 0,
            targets: Vec::new(),
            commands: Commands::default(),
        };
        let alice = User {
            name: "alice".into(),
            credentials: vec![Secret(Zeroizing::new([7; 32])).into()],
            doors: vec![SSH],
            source: SourcePolicy::Bound,
            networks: Networks {
                allowed: Vec::new(),
                denied: vec![Entry::new("203.0.113.0".parse().unwrap(), 24).unwrap()],
            },
            not_before: None,
            not_after: Some(Wall::from_millis(10_000_000)),
            max_open_for: None,
            max_leases: 3,
            proofs_per_second: PROOFS_PER_SECOND,
            note: String::new(),
        };
        let front = Sequence {
            name: "front".into(),
            steps: Steps::Fixed(vec![Port { protocol: Protocol::Udp, number: 7 }]),
            within: Duration::from_secs(5),
            flags: FlagMask::INITIAL_SYN,
            strict: true,
            doors: vec![WEB],
            targets: Vec::new(),
        };
        let steps = Steps::Rolling(rolling());
        let rear = Sequence { name: "rear".into(), steps, ..front.clone() };
        let wide = Sequence { name: "wide".into(), doors: vec![WEB, SSH], ..rear.clone() };
        let max_skew = Duration::from_secs(60);
        let mut policy = Policy::new(
            Some(Spa { port: 1, gate_keys: Vec::new(), max_skew }),
            vec![door("ssh"), door("web")],
            vec![alice],
            vec![front, rear, wide],
            Loopback::Refused,
            Limits { max_leases: 100, max_attempts: 100 },
        );
        change(&mut policy);
        let lines = Lines::default();
        let log = Log::to_lines(lines.clone(), false);
        let firewall = Box::new(kernel.clone());
        let state = tempfile::tempdir().unwrap();
        // One that was stopped in order: nothing is uncertain.
        for _ in 0..2 {
            let mut journal: Journal<Brought> =
                Journal::open(state.path(), [1; 16], 100, Duration::ZERO, Now::default());
            journal.finish(Now::default()).unwrap();
        }
        let journal = Journal::open(state.path(), [0; 16], 100, max_skew, at(0));
        let memory = Memory::new(&policy, journal, log.clone());
        let doors = Doors::new(Arc::new(policy), firewall, books, log.clone());
        let keeper = Keeper::new(doors, memory, log);
        Self { keeper, kernel, lines, salts: 0, _state: state }
    }

    /// A claim that the gate could have made.
    fn claim(&mut self, door: DoorIndex, address: &str) -> Claim {
        self.salts += 1;
        let replay = ReplayId {
            id: [self.salts; 16],
            issued: Wall::from_millis(1_000),
            expires: Wall::from_millis(61_000),
            counter: 0,
        };
        let credential = CredentialIndex(0);
        let said = Authorization { user: ALICE, credential, lifetime: None, replay };
        let ground = if door == SSH { Ground::Token(said) } else { FRONT };
        Claim { door, address: address.parse().unwrap(), ground }
    }

    fn open(&mut self, door: DoorIndex, address: &str, second: u64) -> Vec<String> {
        let claim = self.claim(door, address);
        self.submit(&claim, second)
    }

    fn submit(&mut self, claim: &Claim, second: u64) -> Vec<String> {
        self.keeper.open(claim, &origin(claim.address), at(second));
        self.lines.take()
    }

    fn tick(&mut self, second: u64) -> Vec<String> {
        self.keeper.tick(at(second).monotonic);
        self.lines.take()
    }
}

/// That of the sequence rear.
fn rolling() -> Rolling {
    Rolling::new(Zeroizing::new([9; 32]), PORTS, STEPS, PERIOD)
}

fn origin(source: IpAddr) -> Origin {
    Origin { source, engine: 0, seen: Monotonic::default() }
}

fn at(second: u64) -> Now {
    Now {
        monotonic: Monotonic::from_nanos(second * 1_000_000_000),
        wall: Wall::from_millis(1_000),
    }
}

#[test]
fn a_door_is_open_only_when_the_kernel_took_the_address() {
    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.cannot_add = true);
    let lines = scene.open(SSH, "192.0.2.7", 0);
    assert_eq!(lines[0], "cannot add 192.0.2.7 to table <knock>: as the test wants");
    assert_eq!(lines[1..], ["door ssh not opened for 192.0.2.7 by alice, failed"]);
    scene.kernel.with(|kernel| kernel.cannot_add = false);
    assert_eq!(
        scene.open(SSH, "192.0.2.7", 1),
        ["door ssh opened for 192.0.2.7 by alice, 60s"]
    );
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
}

#[test]
fn an_entry_whose_answer_was_lost_does_not_stay_without_an_owner() {
    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.loses_answers = true);
    let lines = scene.open(SSH, "192.0.2.7", 0);
    assert_eq!(lines[1..], ["door ssh not opened for 192.0.2.7 by alice, failed"]);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
    scene.tick(0);
    assert!(scene.kernel.entries().is_empty());
}

#[test]
fn doors_that_share_an_entry_close_each_in_its_time() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(WEB, "192.0.2.7", 30);
    assert_eq!(scene.tick(60), ["door ssh closed for 192.0.2.7 after 60s, expired"]);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
    assert_eq!(scene.tick(90), ["door web closed for 192.0.2.7 after 60s, expired"]);
    assert!(scene.kernel.entries().is_empty());
    assert_eq!(scene.keeper.next_deadline(), None, "nothing is left to wake up for");
}

#[test]
fn knocking_again_extends_and_never_shortens() {
    let mut scene = Scene::new();
    let mut long = scene.claim(SSH, "192.0.2.7");
    let said = *long.ground.authorization().unwrap();
    let lifetime = Some(Duration::from_secs(100));
    long.ground = Ground::Token(Authorization { lifetime, ..said });
    scene.submit(&long, 0);
    assert!(scene.open(SSH, "192.0.2.7", 10).is_empty(), "60 s from 10 s on end before 100 s");
    let lines = scene.open(SSH, "192.0.2.7", 90);
    assert_eq!(lines, ["door ssh extended for 192.0.2.7 by alice, 60s"]);
    assert!(scene.tick(149).is_empty());
    assert_eq!(scene.tick(150), ["door ssh closed for 192.0.2.7 after 150s, expired"]);
}

#[test]
fn an_entry_that_was_there_before_stays() {
    let mut scene = Scene::new();
    let foreign = Entry::host("192.0.2.7".parse::<IpAddr>().unwrap());
    scene.kernel.with(|kernel| kernel.entries.insert(foreign));
    let lines = scene.open(SSH, "192.0.2.7", 0);
    assert!(lines[0].contains("was already in <knock>"), "{lines:?}");
    scene.tick(60);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
}

#[test]
fn a_deletion_that_fails_is_said_once_and_tried_until_it_succeeds() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.cannot_delete = true);
    let lines = scene.tick(60);
    assert_eq!(
        lines[0],
        "cannot delete 192.0.2.7 from table <knock>, trying again: as the test wants"
    );
    assert!(scene.tick(61).is_empty());
    assert!(scene.keeper.next_deadline().is_some());
    scene.kernel.with(|kernel| kernel.cannot_delete = false);
    assert_eq!(scene.tick(62), ["removed 192.0.2.7 from <knock>"]);
    assert!(scene.kernel.entries().is_empty());
}

#[test]
fn an_entry_that_could_not_be_deleted_is_still_ours_when_it_is_granted_again() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.cannot_delete = true);
    scene.tick(60);
    scene.kernel.with(|kernel| kernel.cannot_delete = false);
    let lines = scene.open(SSH, "192.0.2.7", 60);
    assert_eq!(lines, ["door ssh opened for 192.0.2.7 by alice, 60s"]);
    scene.tick(70);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"], "the retry must not shut it");
    scene.tick(120);
    assert!(scene.kernel.entries().is_empty());
}

#[test]
fn a_missing_table_is_said_once_and_gets_its_entries_when_it_is_back() {
    let mut scene = Scene::new();
    scene.keeper.doors.survey(&[], at(0).monotonic).unwrap();
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| {
        kernel.is_missing = true;
        kernel.entries.clear();
    });
    let interval = CHECK_INTERVAL.as_secs();
    let lines = scene.tick(interval);
    assert!(lines[0].starts_with("table <knock> cannot be used"), "{lines:?}");
    assert!(scene.tick(2 * interval).is_empty());
    let lines = scene.open(SSH, "192.0.2.8", 11);
    assert_eq!(lines.len(), 1, "the refusal, the table was said: {lines:?}");
    scene.kernel.with(|kernel| kernel.is_missing = false);
    let lines = scene.tick(3 * interval);
    assert_eq!(lines, ["table <knock> can be used again, 1 entries put back"]);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
}

#[test]
fn states_die_after_all_entries_are_gone() {
    let mut scene = Scene::with(OnClose::KillStates);
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(SSH, "192.0.2.8", 0);
    let lines = scene.tick(60);
    assert_eq!(lines[2], "door ssh closed for 192.0.2.7, 2 states killed");
    let kills = scene.kernel.with(|kernel| std::mem::take(&mut kernel.kills));
    assert_eq!(kills.len(), 4, "two addresses, two doors");
    for (kill, entries) in kills {
        assert_eq!((kill.ports, entries), (vec![SERVICE], 0));
    }
}

#[test]
fn states_live_as_long_as_any_door_holds_the_address_and_die_for_all_of_them() {
    let mut scene = Scene::with(OnClose::KillStates);
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(WEB, "192.0.2.7", 30);
    scene.tick(60);
    assert!(scene.kernel.with(|kernel| kernel.kills.is_empty()));
    scene.tick(90);
    assert_eq!(scene.kernel.with(|kernel| kernel.kills.len()), 2, "one for each door");
}

#[test]
fn states_die_only_when_the_entry_is_out_however_late() {
    let mut scene = Scene::with(OnClose::KillStates);
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.cannot_delete = true);
    scene.tick(60);
    assert!(scene.kernel.with(|kernel| kernel.kills.is_empty()));
    scene.kernel.with(|kernel| kernel.cannot_delete = false);
    scene.tick(61);
    assert_eq!(scene.kernel.with(|kernel| kernel.kills[0].1), 0);
}

#[test]
fn that_states_cannot_be_killed_is_said_at_start_and_at_each_close() {
    let mut scene = Scene::with(OnClose::KillStates);
    scene.kernel.with(|kernel| kernel.cannot_kill = true);
    scene.keeper.doors.survey(&[], at(0).monotonic).unwrap();
    let line = "cannot end connections through door ssh when it closes: as the test wants";
    assert_eq!(scene.lines.take(), [line]);
    scene.open(SSH, "192.0.2.7", 0);
    assert_eq!(scene.tick(60)[1], line);
}

#[test]
fn a_missing_table_is_made_only_when_configured() {
    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.is_missing = true);
    scene.keeper.doors.survey(&[], at(0).monotonic).unwrap();
    assert!(scene.lines.take()[0].starts_with("table <knock> cannot be used"));
    assert!(scene.kernel.with(|kernel| kernel.is_missing));

    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.is_missing = true);
    scene.keeper.doors.create_tables(true);
    scene.keeper.doors.survey(&[], at(0).monotonic).unwrap();
    assert_eq!(scene.lines.take(), ["table <knock> was missing, created"]);
    scene.kernel.with(|kernel| kernel.is_missing = true);
    let lines = scene.open(SSH, "192.0.2.7", 1);
    assert_eq!(
        lines,
        ["table <knock> was missing, created", "door ssh opened for 192.0.2.7 by alice, 60s"]
    );
}

#[test]
fn a_table_found_missing_by_a_knock_is_looked_after() {
    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.is_missing = true);
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.is_missing = false);
    let lines = scene.tick(CHECK_INTERVAL.as_secs());
    assert_eq!(lines, ["table <knock> can be used again, 0 entries put back"]);
}

#[test]
fn entries_that_could_not_be_put_back_are_put_back_later_and_not_revoked() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(SSH, "192.0.2.8", 0);
    scene.kernel.with(|kernel| {
        kernel.entries.clear();
        kernel.cannot_add = true;
    });
    let interval = CHECK_INTERVAL.as_secs();
    let lines = scene.tick(interval);
    assert_eq!(lines[1], "table <knock> was emptied, 0 entries put back");
    scene.kernel.with(|kernel| kernel.cannot_add = false);
    let lines = scene.tick(2 * interval);
    assert_eq!(lines, ["table <knock> can be used again, 2 entries put back"]);
}

#[test]
fn a_table_that_was_reloaded_with_entries_of_others_gets_ours_again() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(SSH, "192.0.2.8", 0);
    let other = Entry::host("198.51.100.1".parse::<IpAddr>().unwrap());
    scene.kernel.with(|kernel| kernel.entries = BTreeSet::from([other]));
    let lines = scene.tick(CHECK_INTERVAL.as_secs());
    assert_eq!(lines, ["table <knock> was emptied, 2 entries put back"]);
    assert_eq!(scene.kernel.entries().len(), 3);
}

#[test]
fn what_makes_doors_useless_is_said_once_as_long_as_it_lasts() {
    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.is_off = true);
    scene.keeper.doors.survey(&[], at(0).monotonic).unwrap();
    assert!(scene.lines.take()[0].starts_with("the firewall is disabled"));
    scene.open(SSH, "192.0.2.7", 0);
    assert!(scene.tick(5).is_empty());
    scene.kernel.with(|kernel| kernel.is_off = false);
    assert_eq!(scene.tick(10), ["the firewall is enabled again"]);
    scene.kernel.with(|kernel| kernel.is_off = true);
    assert!(scene.tick(15)[0].starts_with("the firewall is disabled"));
    // Also while no lease lives.
    assert_eq!(scene.tick(60), ["door ssh closed for 192.0.2.7 after 60s, expired"]);
    scene.kernel.with(|kernel| kernel.is_off = false);
    assert_eq!(scene.tick(65), ["the firewall is enabled again"]);
    assert!(scene.keeper.doors.next_deadline().is_none(), "nothing is looked at any more");
}

#[test]
fn pf_is_held_enabled_until_the_end_and_a_crash_leaves_no_reference() {
    let run = tempfile::tempdir().unwrap();
    let mut crashed = Scene::new();
    crashed.keeper.doors.enable(run.path()).unwrap();
    let mut second = Scene::new();
    let refused = second.keeper.doors.enable(run.path()).unwrap_err();
    assert!(refused.contains("a running daemon holds it"), "{refused}");
    assert!(second.kernel.with(|kernel| kernel.references.is_empty()));
    drop(crashed);

    let mut scene = Scene::new();
    scene.kernel.with(|kernel| kernel.references.push(0));
    scene.keeper.doors.enable(run.path()).unwrap();
    assert_eq!(scene.kernel.with(|kernel| kernel.released.clone()), [40], "the crash's");
    scene.keeper.close_all(at(1));
    assert_eq!(scene.kernel.with(|kernel| kernel.released.clone()), [40, 41]);
    assert!(!run.path().join("pf.references").exists());
}

#[test]
fn stopping_shuts_everything_and_says_what_it_could_not() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(WEB, "2001:db8::7", 0);
    assert_eq!(scene.keeper.close_all(at(10)), 0);
    let lines = scene.lines.take();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.ends_with("after 10s, stopped")), "{lines:?}");
    assert!(scene.kernel.entries().is_empty());

    scene.open(SSH, "192.0.2.7", 20);
    scene.kernel.with(|kernel| kernel.cannot_delete = true);
    assert_eq!(scene.keeper.close_all(at(30)), 1);
}

#[test]
fn an_engine_in_foreign_hands_gets_no_more_than_the_configuration_gives() {
    let mut scene = Scene::new();
    let honest = scene.claim(SSH, "192.0.2.7");
    let said = *honest.ground.authorization().unwrap();
    let by = |ground| Claim { ground, ..honest };
    let saying = |said| by(Ground::Token(said));
    let with = |index| Authorization { credential: CredentialIndex(index), ..said };
    let counted = ReplayId { counter: u32::MAX, ..said.replay };
    let forged = [
        (saying(with(1)), Reason::Unknown),
        (saying(with(u8::MAX)), Reason::Unknown),
        (saying(Authorization { replay: counted, ..said }), Reason::Invalid),
        (by(Ground::Older(said)), Reason::Invalid),
        (Claim { address: "203.0.113.7".parse().unwrap(), ..honest }, Reason::Network),
        (Claim { door: DoorIndex(9), ..honest }, Reason::Forbidden),
        (Claim { door: WEB, ..honest }, Reason::Forbidden),
        (saying(Authorization { user: UserIndex(5), ..said }), Reason::Unknown),
        (by(FRONT), Reason::Forbidden),
        (by(Ground::Fixed(SequenceIndex(9))), Reason::Forbidden),
        (Claim { address: "224.0.0.1".parse().unwrap(), ..honest }, Reason::Address),
        (Claim { address: "0.0.0.0".parse().unwrap(), ..honest }, Reason::Address),
        (Claim { address: "::ffff:192.0.2.7".parse().unwrap(), ..honest }, Reason::Address),
        (Claim { address: "127.0.0.1".parse().unwrap(), ..honest }, Reason::Address),
    ];
    for (place, (claim, reason)) in (1..).zip(forged) {
        let source = IpAddr::from([198, 51, 100, place]);
        scene.keeper.open(&claim, &origin(source), at(0));
        let lines = scene.lines.take();
        let word = reason.word();
        assert!(
            lines.len() == 1 && lines[0].contains(&format!(", {word}")),
            "{claim:?}: {lines:?}"
        );
        assert!(scene.kernel.entries().is_empty());
    }
    let forever = Authorization { lifetime: Some(Duration::MAX), ..said };
    let lines = scene.submit(&saying(forever), 0);
    assert_eq!(lines, ["door ssh opened for 192.0.2.7 by alice, 600s"]);
    let lines = scene.submit(&honest, 1);
    assert!(lines[0].ends_with("refused, replayed"), "{lines:?}");
}

#[test]
fn a_users_quota_and_validity_hold_at_the_keeper_too() {
    let mut scene = Scene::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(scene.open(SSH, address, 0).len(), 1);
    }
    let lines = scene.open(SSH, "192.0.2.4", 0);
    assert!(lines[0].ends_with("not opened for 192.0.2.4 by alice, full"), "{lines:?}");
    let claim = scene.claim(SSH, "192.0.2.5");
    let late = Now { wall: Wall::from_millis(10_000_001), ..at(0) };
    scene.keeper.open(&claim, &origin(claim.address), late);
    assert!(scene.lines.take()[0].ends_with("refused, expired"));
}

#[test]
fn a_flood_of_grants_and_refusals_is_not_a_flood_of_lines() {
    let mut scene = Scene::new();
    let mut said = 0;
    for number in 0..100_000_u32 {
        let source = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        let claim = Claim { door: DoorIndex(9), ..scene.claim_for(source) };
        scene.keeper.open(&claim, &origin(source), at(0));
        said += scene.lines.take().len();
    }
    said += scene.tick(60).len();
    assert!(said <= knockd::log::summary::MAX_LINES, "{said} lines");
}

#[test]
fn a_table_that_was_emptied_gets_its_entries_again() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(SSH, "192.0.2.8", 0);
    scene.kernel.with(|kernel| kernel.entries.clear());
    let lines = scene.tick(CHECK_INTERVAL.as_secs());
    assert_eq!(lines, ["table <knock> was emptied, 2 entries put back"]);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7", "192.0.2.8"]);
}

#[test]
fn knocking_again_after_a_flush_opens_at_once() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.entries.clear());
    scene.open(SSH, "192.0.2.7", 1);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
    scene.tick(61);
    assert!(scene.kernel.entries().is_empty(), "it is ours still");
}

#[test]
fn an_entry_of_others_that_they_took_out_is_ours_when_we_put_it_back() {
    let mut scene = Scene::new();
    let foreign = Entry::host("192.0.2.7".parse::<IpAddr>().unwrap());
    scene.kernel.with(|kernel| kernel.entries.insert(foreign));
    scene.open(SSH, "192.0.2.7", 0);
    scene.kernel.with(|kernel| kernel.entries.clear());
    scene.open(SSH, "192.0.2.7", 1);
    scene.tick(61);
    assert!(scene.kernel.entries().is_empty(), "no door stays open without an end");
}

#[test]
fn an_entry_that_somebody_took_out_is_revoked() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    scene.open(WEB, "192.0.2.7", 0);
    scene.open(SSH, "192.0.2.8", 0);
    let taken = Entry::host("192.0.2.7".parse::<IpAddr>().unwrap());
    scene.kernel.with(|kernel| kernel.entries.remove(&taken));
    let lines = scene.tick(CHECK_INTERVAL.as_secs());
    assert_eq!(
        lines,
        [
            "door ssh closed for 192.0.2.7 after 5s, revoked",
            "door web closed for 192.0.2.7 after 5s, revoked"
        ]
    );
    assert_eq!(scene.kernel.entries(), ["192.0.2.8"]);
}

/// A run that opened both doors and was killed, and the next one at second 10
/// in `boot`: what that one logs, and the entries.
fn next_run(
    boot: BootId,
    on_remove: OnRemove,
    change: impl FnOnce(&mut Policy),
) -> (Vec<String>, Vec<String>) {
    let run = tempfile::tempdir().unwrap();
    let mut killed = Scene::new();
    let nothing = recover(run.path(), [1; 16]);
    killed.keeper.doors.restore(run.path(), [1; 16], nothing, OnRemove::Keep, at(0).monotonic);
    killed.open(SSH, "192.0.2.7", 0);
    killed.open(WEB, "192.0.2.8", 0);
    let mut next = Scene::of(Books::default(), killed.kernel.clone(), change);
    let left = recover(run.path(), boot);
    next.keeper.doors.restore(run.path(), boot, left, on_remove, at(10).monotonic);
    (next.lines.take(), next.kernel.entries())
}

#[test]
fn a_kill_of_all_processes_leaves_nothing_for_ever_whatever_names_the_boot() {
    let (lines, entries) = next_run([2; 16], OnRemove::Keep, |_| ());
    assert_eq!(
        lines,
        [
            "removed 192.0.2.7 from <knock>, an earlier run had left it",
            "removed 192.0.2.8 from <knock>, an earlier run had left it",
        ]
    );
    assert!(entries.is_empty(), "{entries:?}");
}

#[test]
fn a_restart_treats_leases_as_a_reload_does() {
    let (lines, _) = next_run([1; 16], OnRemove::Close, |policy| {
        policy.doors[0].max_open_for = Duration::from_secs(20);
    });
    assert_eq!(
        lines,
        [
            "door ssh open again for 192.0.2.7 by alice, 20s left",
            "door web open again for 192.0.2.8 by a sequence, 50s left",
        ]
    );
    for (on_remove, expected) in [
        (OnRemove::Keep, "door web open again for 192.0.2.8 by a sequence, 50s left"),
        (OnRemove::Close, "removed 192.0.2.8 from <knock>, an earlier run had left it"),
    ] {
        let (lines, _) = next_run([1; 16], on_remove, |policy| policy.sequences.clear());
        assert!(lines.contains(&expected.to_owned()), "{lines:?}");
    }
}

#[test]
fn a_restart_keeps_leases_of_a_removed_door_as_a_reload_does() {
    let run = tempfile::tempdir().unwrap();
    let mut killed = Scene::with(OnClose::KillStates);
    let nothing = recover(run.path(), [1; 16]);
    killed.keeper.doors.restore(run.path(), [1; 16], nothing, OnRemove::Keep, at(0).monotonic);
    killed.open(SSH, "192.0.2.7", 0);
    killed.open(WEB, "192.0.2.8", 0);
    // Each start writes the file anew; the second finds a retired door in it.
    for start in [10, 20] {
        let left = recover(run.path(), [1; 16]).unwrap();
        let without = |policy: &mut Policy| {
            let limits = Limits { max_leases: 100, max_attempts: 100 };
            let (doors, users, sequences) = (Vec::new(), Vec::new(), Vec::new());
            let fresh = Policy::new(None, doors, users, sequences, Loopback::Refused, limits);
            let gone = doors_gone_from(&left, &fresh, at(start).monotonic);
            assert_eq!(gone.len(), 2);
            *policy = fresh.with_retired(gone);
        };
        let mut next = Scene::of(Books::default(), killed.kernel.clone(), without);
        let left = Ok(recover(run.path(), [1; 16]).unwrap());
        let now = at(start).monotonic;
        next.keeper.doors.restore(run.path(), [1; 16], left, OnRemove::Keep, now);
        let remaining = 60 - start;
        assert_eq!(
            next.lines.take(),
            [
                format!(
                    "door ssh open again for 192.0.2.7 by a former user, {remaining}s left"
                ),
                format!("door web open again for 192.0.2.8 by a sequence, {remaining}s left"),
            ]
        );
        assert_eq!(next.kernel.entries(), ["192.0.2.7", "192.0.2.8"]);
        if start == 20 {
            let lines = next.tick(60);
            assert_eq!(lines[0], "door ssh closed for 192.0.2.7 after 60s, expired");
            assert!(next.kernel.entries().is_empty());
            assert!(next.kernel.with(|kernel| kernel.kills.len()) >= 2, "states are killed");
        }
    }
}

#[test]
fn a_lease_file_that_cannot_be_written_is_logged_while_the_daemon_runs() {
    let mut books = Books::default();
    books.keep_in(Err(io::Error::other("no space left")));
    let mut scene = Scene::of(books, Fake::default(), |_| ());
    let line = "cannot write the lease file, leases will end with the daemon: no space left";
    assert_eq!(scene.tick(0), [line]);
    assert!(scene.tick(1).is_empty(), "once");
}

#[test]
fn what_was_left_out_and_refused_is_summed_up_after_a_minute_or_at_the_end() {
    for stops in [false, true] {
        let mut scene = Scene::new();
        for number in 0..LINE_BURST + 7 {
            let source = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            let claim = scene.claim_for(source);
            scene.keeper.open(&claim, &origin(source), at(0));
        }
        for _ in 0..3 {
            let source = IpAddr::from([192, 0, 2, 7]);
            scene.keeper.refuse(source, Reason::Stranger.into(), at(0).monotonic);
        }
        scene.lines.take();
        let said = if stops {
            scene.keeper.close_all(at(1));
            scene.lines.take()
        } else {
            scene.tick(60)
        };
        for part in
            ["lines about doors dropped", "from 192.0.2.7 in the last minute, 2 stranger"]
        {
            assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:?}");
        }
    }
}

impl Scene {
    fn claim_for(&self, address: IpAddr) -> Claim {
        Claim { door: WEB, address, ground: FRONT }
    }
}

#[test]
fn an_engine_in_foreign_hands_opens_by_a_rolling_sequence_once_per_source_and_period() {
    let mut scene = Scene::new();
    let source: IpAddr = "192.0.2.7".parse().unwrap();
    let by = |ground| Claim { door: WEB, address: source, ground };
    // The tests' clock is in the first second of period 0.
    let honest = by(Ground::Rolling(REAR, 0));
    let other: IpAddr = "192.0.2.8".parse().unwrap();
    for (number, (claim, reason)) in [
        (by(Ground::Fixed(REAR)), Reason::Forbidden),
        (by(Ground::Line(REAR, 0)), Reason::Forbidden),
        (by(Ground::Rolling(SequenceIndex(0), 0)), Reason::Forbidden),
        (by(Ground::Rolling(SequenceIndex(9), 0)), Reason::Forbidden),
        (Claim { door: SSH, ..honest }, Reason::Forbidden),
        (by(Ground::Rolling(REAR, 1)), Reason::Stale),
        (by(Ground::Rolling(REAR, 7)), Reason::Stale),
        (by(Ground::Rolling(REAR, u64::MAX)), Reason::Stale),
    ]
    .into_iter()
    .enumerate()
    {
        scene.keeper.open(&claim, &origin(source), at(100 * number as u64));
        let lines = scene.lines.take();
        scene.tick(100 * number as u64 + 90);
        assert!(scene.kernel.entries().is_empty(), "{claim:?}");
        let expected = format!("packet from 192.0.2.7 ignored, {reason}");
        assert!(lines.iter().any(|line| line.starts_with(&expected)), "{claim:?}: {lines:?}");
    }
    // For an address that no packet came from.
    scene.keeper.open(&honest, &origin(other), at(1_000));
    assert!(scene.kernel.entries().is_empty());
    scene.lines.take();
    assert_eq!(
        scene.submit(&honest, 1_001),
        ["door web opened for 192.0.2.7 by a sequence, 60s"]
    );
    scene.tick(1_100);
    scene.submit(&honest, 1_200);
    assert!(scene.kernel.entries().is_empty());
}

#[test]
fn another_reason_or_user_behind_an_address_is_said_at_once_and_the_same_is_not() {
    let mut scene = Scene::new();
    let source = IpAddr::from([192, 0, 2, 7]);
    let refusal = |reason| Refusal { reason, user: Some(ALICE), offset: None };
    for reason in [Reason::Uncertain, Reason::Unnamed, Reason::Uncertain] {
        scene.keeper.refuse(source, refusal(reason), at(0).monotonic);
    }
    let said = scene.lines.take();
    assert_eq!(
        said,
        [
            "token in the name of alice from 192.0.2.7 refused, uncertain",
            "token in the name of alice from 192.0.2.7 refused, unnamed, the user needs \
             source: Observed"
        ]
    );
    let sums = scene.tick(60);
    assert!(
        sums.contains(&"more packets from 192.0.2.7 in the last minute, 1 uncertain".into())
    );
}

#[test]
fn a_knock_opens_each_of_its_doors_once_and_no_other_knock_does() {
    let mut scene = Scene::new();
    let source: IpAddr = "192.0.2.7".parse().unwrap();
    let wide = Ground::Rolling(SequenceIndex(2), 0);
    let web = Claim { ground: wide, ..scene.claim_for(source) };
    let ssh = Claim { door: SSH, ..web };
    let first = origin(source);
    let later = Origin { seen: at(2).monotonic, ..first };
    scene.keeper.open(&web, &first, at(1));
    assert_eq!(scene.lines.take(), ["door web opened for 192.0.2.7 by a sequence, 60s"]);
    // The same claim, and what another packet or engine would bring.
    for (claim, origin) in [(web, first), (ssh, later), (ssh, Origin { engine: 1, ..first })] {
        scene.keeper.open(&claim, &origin, at(2));
        let lines = scene.lines.take();
        assert!(!lines.iter().any(|line| line.contains("opened")), "{claim:?}: {lines:?}");
    }
    scene.keeper.open(&ssh, &first, at(2));
    assert_eq!(scene.lines.take(), ["door ssh opened for 192.0.2.7 by a sequence, 60s"]);
    scene.keeper.open(&ssh, &first, at(2));
    assert!(scene.lines.take().is_empty());
}

#[test]
fn leases_end_in_their_time_while_a_configuration_is_read() {
    let mut scene = Scene::new();
    scene.open(SSH, "192.0.2.7", 0);
    let kernel = scene.kernel.clone();
    assert_eq!(kernel.entries().len(), 1);
    // Reading that takes until the lease is over.
    let reading = move || {
        let begin = Instant::now();
        while !kernel.entries().is_empty() && begin.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        kernel.entries()
    };
    let calls = Cell::new(0);
    let clock = || {
        calls.set(calls.get() + 20);
        Ok(at(calls.get()).monotonic)
    };
    assert!(scene.keeper.beside(reading, clock).unwrap().is_empty());
    assert!(calls.get() >= 60);
}

/// A scene in which `count` leases of the door web end at second 60.
fn crowd(count: u32) -> Scene {
    let mut scene = Scene::of(Books::default(), Fake::default(), |policy| {
        policy.limits.max_leases = 100_000;
        policy.doors[1].max_leases = 100_000;
        policy.users.clear();
    });
    for number in 0..count {
        let claim = scene.claim_for(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        scene.keeper.open(&claim, &origin(claim.address), at(0));
    }
    assert_eq!(scene.kernel.entries().len(), count as usize);
    scene.lines.take();
    scene
}

#[test]
fn many_leases_that_end_at_once_go_in_batches_with_grants_in_between() {
    let mut scene = crowd(2 * BATCH as u32 + 10);
    scene.tick(60);
    assert_eq!(scene.kernel.with(|kernel| kernel.deletions.clone()), [BATCH]);
    assert!(scene.keeper.next_deadline() <= Some(at(60).monotonic), "the rest is due");
    let claim = scene.claim_for("192.0.2.7".parse().unwrap());
    scene.keeper.open(&claim, &origin(claim.address), at(60));
    assert!(scene.kernel.entries().contains(&"192.0.2.7".to_owned()));
    scene.tick(60);
    scene.tick(60);
    assert_eq!(scene.kernel.with(|kernel| kernel.deletions.clone()), [BATCH, BATCH, 10]);
    assert_eq!(scene.kernel.entries(), ["192.0.2.7"]);
    assert!(scene.keeper.next_deadline() > Some(at(60).monotonic));
}

#[test]
fn an_entry_that_cannot_be_deleted_is_tried_again_and_keeps_no_other() {
    let mut scene = crowd(20);
    let stuck = Entry::host("10.0.0.7".parse::<IpAddr>().unwrap());
    scene.kernel.with(|kernel| kernel.keeps = Some(stuck));
    let lines = scene.tick(60);
    assert!(lines[0].starts_with("cannot delete 10.0.0.7 from table <knock>"), "{lines:?}");
    assert_eq!(scene.kernel.entries(), ["10.0.0.7"]);
    scene.kernel.with(|kernel| kernel.keeps = None);
    scene.tick(61);
    assert!(scene.kernel.entries().is_empty());
    assert_eq!(scene.kernel.with(|kernel| kernel.deletions.clone()), [20, 1]);
}

#[test]
fn a_table_that_nobody_else_changed_is_not_listed_again() {
    for (is_exact, listed_in_a_minute) in [(true, 1), (false, 2)] {
        let mut scene = Scene::new();
        let show = |scene: &Scene, number| {
            let trace = Some(Trace { number, is_exact });
            scene.kernel.with(|kernel| (kernel.trace, kernel.lists) = (trace, 0));
        };
        show(&scene, 1);
        let mut long = scene.claim(SSH, "192.0.2.7");
        let said = *long.ground.authorization().unwrap();
        let lifetime = Some(Duration::from_secs(600));
        long.ground = Ground::Token(Authorization { lifetime, ..said });
        scene.submit(&long, 0);
        for second in (5..70).step_by(5) {
            scene.tick(second);
        }
        let lists = scene.kernel.with(|kernel| kernel.lists);
        assert_eq!(lists, listed_in_a_minute, "exact: {is_exact}");
        // Somebody deletes the entry, which shows.
        show(&scene, 2);
        scene.kernel.with(|kernel| kernel.entries.clear());
        scene.open(WEB, "192.0.2.8", 71);
        scene
            .kernel
            .with(|kernel| kernel.entries.retain(|entry| entry.address() != long.address));
        let lines = scene.tick(75);
        assert!(lines[0].ends_with("192.0.2.7 after 75s, revoked"), "{lines:?}");
    }
}

#[test]
fn a_restart_after_a_stop_lists_a_table_once_and_asks_for_no_entry() {
    let run = tempfile::tempdir().unwrap();
    let mut stopped = crowd(0);
    let nothing = recover(run.path(), [1; 16]);
    stopped.keeper.doors.restore(run.path(), [1; 16], nothing, OnRemove::Keep, at(0).monotonic);
    for number in 0..40 {
        let claim = stopped.claim_for(IpAddr::from([10, 0, 0, number]));
        stopped.keeper.open(&claim, &origin(claim.address), at(0));
    }
    assert_eq!(stopped.keeper.close_all(at(10)), 0);
    // One of them was added by others meanwhile: it is not ours.
    let foreign = Entry::host("10.0.0.7".parse::<IpAddr>().unwrap());
    let kernel = stopped.kernel.clone();
    kernel.with(|kernel| {
        assert!(kernel.entries.is_empty());
        kernel.entries.insert(foreign);
        (kernel.lists, kernel.questions) = (0, 0);
    });
    let mut next = Scene::of(Books::default(), kernel.clone(), |policy| policy.users.clear());
    let left = recover(run.path(), [1; 16]);
    next.keeper.doors.restore(run.path(), [1; 16], left, OnRemove::Keep, at(20).monotonic);
    assert_eq!(kernel.entries().len(), 40);
    assert_eq!(kernel.with(|kernel| (kernel.lists, kernel.questions)), (1, 0));
    next.tick(60);
    assert_eq!(kernel.entries(), ["10.0.0.7"]);
}
