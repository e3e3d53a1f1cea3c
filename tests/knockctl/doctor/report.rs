//! The doctor's report on a sound system and on a broken one.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::house::{House, conf};
use knockd::config::Config;
use knockd::control::health::KEYS;
use knockd::core::address::Entry;
use knockd::core::door::Table;
use knockd::core::finding::{Finding, Grade};
use knockd::core::time::Wall;
use knockd::firewall::Machine;
use knockd::firewall::pf::ruleset::read;
use knockd::firewall::pf::ruleset::services::Services;
use knockd::firewall::pf::ruleset::share::Entrance;
use knockd::firewall::pf::ruleset::verdict::Site;
use knockd::firewall::{
    Added, Deleted, Firewall, FirewallError, FirewallErrorKind, Status, Warning,
};
use knockd::knockctl::doctor::health::{self, Health};
use knockd::knockctl::doctor::report::Printer;
use knockd::review::packet_filter;

const NOW: Wall = Wall::from_millis(1_795_420_800_000);
const FINGERPRINT: &str = "0123456789abcdef";

fn config() -> Config {
    let stanzas = [
        "firewall: Pf",
        "doors: {\"ssh\": (table: \"knock_ssh\", ports: [Tcp(22)])}",
        "spa: (port: 40123, gate_keys: [\"gate.key\"])",
    ];
    House::new().parse(&conf(&stanzas)).unwrap()
}

type Review = fn(&[Table], &[String]) -> Result<Vec<Warning>, FirewallError>;

/// A firewall with these answers.
struct Stand {
    there: bool,
    warnings: Review,
}

impl Firewall for Stand {
    fn probe(&mut self, table: &Table) -> Result<(), FirewallError> {
        let missing = || {
            FirewallError::new(
                FirewallErrorKind::Missing,
                format!("cannot use table {table}"),
                None,
            )
        };
        self.there.then_some(()).ok_or_else(missing)
    }

    fn add(&mut self, _: &Table, _: Entry) -> Result<Added, FirewallError> {
        unreachable!("the doctor only looks")
    }

    fn delete(&mut self, _: &Table, _: Entry) -> Result<Deleted, FirewallError> {
        unreachable!("the doctor only looks")
    }

    fn list(&mut self, _: &Table) -> Result<Vec<Entry>, FirewallError> {
        unreachable!("the doctor only looks")
    }

    fn status(&mut self) -> Result<Status, FirewallError> {
        Ok(Status::Enforcing)
    }

    fn review(
        &mut self,
        tables: &[Table],
        names: &[String],
    ) -> Result<Vec<Warning>, FirewallError> {
        (self.warnings)(tables, names)
    }
}

fn health(changes: &[(&str, &str)]) -> Health {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([
        ("version", env!("CARGO_PKG_VERSION")),
        ("uptime", "3600"),
        ("now", "1795420800000"),
        ("configuration", "/etc/knockd.ron"),
        ("fingerprint", FINGERPRINT),
        ("attached", "em0"),
        ("journal", "sound"),
        ("journal_bytes", "8256"),
        ("journal_age", "7200"),
        ("uncertain", "0"),
        ("lease_file", "sound"),
        ("engine_restarts", "0"),
        ("keeper_restarts", "0"),
        ("dropped", "0"),
        ("clock_steps", "0"),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    Health::new(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn judged(ask: &mut read::Ask<'_>) -> Vec<Finding> {
    let lines = read::read(ask, &Services::default()).unwrap();
    let entrances = [Entrance { name: "em0".into(), groups: Some(vec!["egress".into()]) }];
    let machine = Machine::default();
    let site = Site { lines: &lines, entrances: &entrances, machine: &machine };
    let config = config();
    site.judge(&config.policy.doors, &config.policy.token_ports())
}

fn report(health: &Health, mut stand: Stand, rules: &str) -> (String, Grade) {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    printer.print(health::check(health, NOW, Some(FINGERPRINT)));
    let names = ["em0".to_owned()];
    let config = config();
    let (findings, filtered) = packet_filter::check(&mut stand, &config.policy.doors, &names);
    printer.print(findings);
    if filtered.is_some() {
        let mut ask = |_: &[&str]| Ok(rules.to_owned());
        printer.print(judged(&mut ask));
    }
    let worst = printer.finish();
    (String::from_utf8(out).unwrap(), worst)
}

#[test]
fn a_sound_system_is_reported_as_ok() {
    let rules = "block drop in on egress all\n\
        pass in on egress proto tcp from <knock_ssh> to any port = 22 flags S/SA\n";
    let stand = Stand { there: true, warnings: |_, _| Ok(Vec::new()) };
    let (text, worst) = report(&health(&[]), stand, rules);
    let expected = "\
ok       daemon: version 0.1.0, running for 3600 s
ok       reload: /etc/knockd.ron is in force as it is on the disk
ok       interface em0: capturing
ok       journal: sound, 8256 bytes, created 7200 s ago
ok       lease file: sound
ok       engine: never restarted
ok       keeper: never restarted
ok       drops: the kernel dropped no packets
ok       firewall: enabled
ok       table <knock_ssh>: there
ok       door ssh: 22/tcp is dropped for strangers
ok       door ssh: 22/tcp is open to addresses in <knock_ssh> over IPv4 and IPv6
ok       SPA port: 40123/udp is dropped without an answer
0 errors, 0 warnings
";
    assert_eq!(text, expected.replace("0.1.0", env!("CARGO_PKG_VERSION")));
    assert_eq!(worst, Grade::Ok);
}

#[test]
fn a_broken_system_is_reported_with_what_to_do() {
    let health = health(&[
        ("version", "0.0.9"),
        ("fingerprint", "fedcba9876543210"),
        ("attached", ""),
        ("waiting", "em0=there is no such interface"),
        ("journal", "cannot write /var/db/knockd/journal: No space left on device"),
        ("lease_file", "cannot write /var/run/knockd/leases: Read-only file system"),
        ("engine_restarts", "3"),
        ("dropped", "17"),
        ("now", "1795420790000"),
        ("clock_steps", "2"),
        ("unusable", "ssh=table <knock_ssh> is gone\u{1b}[2J"),
    ]);
    let stand = Stand {
        there: false,
        warnings: |tables, names| {
            Ok(vec![
                Warning::Disabled("run `pfctl -e`"),
                Warning::Unreferenced(tables[0].clone()),
                Warning::Skipped(names[0].clone()),
            ])
        },
    };
    // Rules of a firewall that filters nothing are not judged.
    let (text, worst) = report(&health, stand, "pass in all\n");
    let expected = "\
warning  daemon: version 0.0.9 is running, 0.1.0 is installed: restart knockd
warning  reload: the daemon uses another configuration: run `knockctl reload`
warning  interface em0: not capturing, there is no such interface: bring it up, or remove it from `interfaces`
error    capture: capturing on no interface, nobody can knock: see `interfaces`
error    journal: cannot write /var/db/knockd/journal: No space left on device: tokens are refused until it can be written
warning  lease file: cannot write /var/run/knockd/leases: Read-only file system: leases will end with the daemon until it can be written
warning  engine: restarted 3 times: see the log for the reasons
ok       keeper: never restarted
warning  drops: the kernel dropped 17 packets: if this grows, see `strict` in knockd.ron(5)
warning  clock: the daemon's clock is 10000 ms behind ours: restart knockd
warning  clock: stepped 2 times since the start: run a time daemon that slews
error    door ssh: cannot open: table <knock_ssh> is gone?[2J
error    firewall: the firewall is disabled, every door is open: run `pfctl -e`
error    table <knock_ssh>: no rule refers to table <knock_ssh>, its doors open nothing: add a rule that does
error    interface em0: the firewall skips interface em0, every door is open there: drop it from `set skip on`
error    table <knock_ssh>: cannot use table <knock_ssh>
7 errors, 8 warnings
";
    assert_eq!(text, expected.replace("0.1.0", env!("CARGO_PKG_VERSION")));
    assert_eq!(worst, Grade::Error);
}

#[test]
fn rules_are_judged_only_where_packets_are_filtered() {
    let names = ["em0", "em1"].map(str::to_owned);
    let filtered = |warnings: Review| {
        let mut stand = Stand { there: true, warnings };
        packet_filter::check(&mut stand, &config().policy.doors, &names).1
    };
    assert_eq!(filtered(|_, _| Ok(vec![])), Some(names.to_vec()));
    let skipped = |_: &[Table], names: &[String]| Ok(vec![Warning::Skipped(names[0].clone())]);
    assert_eq!(filtered(skipped), Some(vec!["em1".to_owned()]));
    let all = |_: &[Table], names: &[String]| {
        Ok(names.iter().map(|name| Warning::Skipped(name.clone())).collect())
    };
    assert_eq!(filtered(all), None);
    assert_eq!(filtered(|_, _| Ok(vec![Warning::Disabled("run `pfctl -e`")])), None);
    let denied: Review = |_, _| Err(FirewallError::new(FirewallErrorKind::Denied, "no", None));
    assert_eq!(filtered(denied), Some(names.to_vec()));
    // No name at all means that none is known.
    let mut stand = Stand { there: true, warnings: |_, _| Ok(vec![]) };
    let found = packet_filter::check(&mut stand, &config().policy.doors, &[]).1;
    assert_eq!(found, Some(Vec::new()));
}

#[test]
fn root_is_not_sent_to_root() {
    let denied = FirewallError::new(FirewallErrorKind::Denied, "cannot open /dev/pf", None);
    let text = |is_root| packet_filter::closed(&denied, is_root).to_string();
    assert_eq!(
        text(false),
        "warning  firewall: cannot use it: cannot open /dev/pf: run knockctl as root"
    );
    assert_eq!(
        text(true),
        "warning  firewall: cannot use it: cannot open /dev/pf: the system denies it to root too"
    );
    let missing = FirewallError::new(
        FirewallErrorKind::Missing,
        "cannot open /dev/pf: run `kldload pf`",
        None,
    );
    assert_eq!(packet_filter::closed(&missing, true).grade, Grade::Error);
}

#[test]
fn warnings_alone_are_no_error() {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    printer.print([Finding::warning("drops", "some"), Finding::ok("a", "b")]);
    let worst = printer.finish();
    assert_eq!(worst, Grade::Warning);
    assert!(String::from_utf8(out).unwrap().ends_with("0 errors, 1 warning\n"));
}

#[test]
fn what_the_daemon_does_not_report_is_a_warning() {
    for key in KEYS.iter().filter(|key| !key.repeats) {
        let findings = health::check(&health(&[(key.name, "")]), NOW, Some(FINGERPRINT));
        let text = format!("it did not report {}: restart knockd", key.name);
        assert!(findings.iter().any(|finding| finding.text == text), "{key:?} {findings:?}");
        assert!(findings.iter().any(|finding| finding.grade == Grade::Warning));
    }
    for key in ["dropped", "uptime", "uncertain"] {
        let findings = health::check(&health(&[(key, "many")]), NOW, None);
        assert!(
            findings.iter().any(|finding| finding.text.contains("did not report")),
            "{key}"
        );
    }
    let nothing = health::check(&Health::default(), NOW, None);
    assert!(nothing.iter().any(|finding| finding.grade == Grade::Error), "{nothing:?}");
}

#[test]
fn tokens_that_are_still_refused_are_a_warning_with_the_time_to_wait() {
    let findings = health::check(&health(&[("uncertain", "12")]), NOW, Some(FINGERPRINT));
    let warning = findings.iter().find(|finding| finding.grade == Grade::Warning).unwrap();
    assert!(warning.text.contains("for 12 s more"), "{warning}");
}
