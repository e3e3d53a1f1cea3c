//! What the ruleset means for the doors, anchors included, and a whole look
//! at a system.
#![forbid(unsafe_code)]

use std::fs;

use crate::house::{House, conf};
use crate::modes;
use knockd::config::Config;
use knockd::core::finding::{Finding, Grade};
use knockd::firewall::Machine;
use knockd::firewall::pf::ruleset::read;
use knockd::firewall::pf::ruleset::services::Services;
use knockd::firewall::pf::ruleset::share::Entrance;
use knockd::firewall::pf::ruleset::verdict::{MAX_UNREAD, Site};
use knockd::knockctl::doctor;

const SHUT: &str = "ok       door ssh: 22/tcp is dropped for strangers";

fn config(door: &str) -> Config {
    let doors = format!("doors: {{\"ssh\": (table: \"knock_ssh\", {door})}}");
    House::new().parse(&conf(&["firewall: Pf", &doors])).unwrap()
}

/// The findings about `config`, where `answers` are what pfctl prints.
fn judged(config: &Config, names: &[&str], answers: &[(&str, &str)]) -> Vec<String> {
    let mut ask = |arguments: &[&str]| {
        let question = arguments.join(" ");
        let answer = answers.iter().find(|(asked, _)| *asked == question);
        answer.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such anchor".to_owned())
    };
    let lines = read::read(&mut ask, &Services::default()).unwrap();
    let entrance = |name: &&str| Entrance { name: (*name).into(), groups: None };
    let entrances: Vec<_> = names.iter().map(entrance).collect();
    let machine =
        Machine { interfaces: vec!["em0".into(), "em1".into()], ..Machine::default() };
    let site = Site { lines: &lines, entrances: &entrances, machine: &machine };
    let policy = &config.policy;
    let findings = site.judge(&policy.doors, &policy.token_ports());
    findings.iter().map(Finding::to_string).collect()
}

/// The findings about an ordinary door behind one interface.
fn at_door(rules: &str) -> Vec<String> {
    let findings = judged(&config("ports: [Tcp(22)]"), &["em0"], &[("-sr", rules)]);
    findings.into_iter().filter(|line| line.contains(" door ")).collect()
}

#[test]
fn a_door_that_strangers_pass_is_an_error_with_the_rule_that_lets_them() {
    let found = at_door(
        "block drop all\npass in inet proto tcp from any to any port = 22 flags S/SA\n\
         pass in inet6 proto tcp from <knock_ssh> to any port = 22 flags S/SA\n",
    );
    assert_eq!(
        found,
        [
            "error    door ssh: strangers reach 22/tcp over IPv4 by `pass in inet proto tcp from \
             any to any port = 22 flags S/SA`: remove that rule, or narrow it",
            "ok       door ssh: 22/tcp is open to addresses in <knock_ssh> over IPv4 and IPv6",
        ]
    );
    let none = at_door("pass in from <knock_ssh> to any flags S/SA\n");
    assert!(
        none[0].starts_with("error    door ssh: no rule blocks 22/tcp over IPv4"),
        "{none:?}"
    );
}

#[test]
fn an_answer_to_strangers_is_a_warning() {
    let found = at_door("block return all\npass in from <knock_ssh> to any flags S/SA\n");
    assert_eq!(
        found[0],
        "warning  door ssh: the kernel answers at 22/tcp over IPv4 and IPv6 by `block return \
         all`: write `block drop`"
    );
}

#[test]
fn a_table_that_opens_nothing_is_an_error_with_what_stands_before_it() {
    let found =
        at_door("block drop in quick all\npass in from <knock_ssh> to any flags S/SA\n");
    assert_eq!(
        found,
        [
            SHUT,
            "error    door ssh: 22/tcp stays shut to addresses in <knock_ssh> by `block drop in \
             quick all`: add `pass in proto tcp from <knock_ssh> to port 22` below",
        ]
    );
    let negated = at_door("block drop all\npass in from ! <knock_ssh> to any flags S/SA\n");
    assert!(negated[0].contains("strangers reach"), "{negated:?}");
    assert!(negated[1].contains("stays shut"), "{negated:?}");
    let doubtful = at_door("block drop all\npass in from <knock_ssh> to any user = 0\n");
    assert_eq!(doubtful[0], SHUT);
    assert!(doubtful[1].starts_with("warning  door ssh: cannot tell whether addresses in"));
}

#[test]
fn a_door_without_ports_is_judged_by_its_table() {
    let config = config("");
    let rules = "block drop all\npass in from <knock_ssh> to any flags S/SA\n";
    let found = judged(&config, &["em0"], &[("-sr", rules)]);
    assert!(found[0].starts_with("ok       door ssh: a rule passes addresses"), "{found:?}");
    let found = judged(&config, &["em0"], &[("-sr", "block drop all\n")]);
    assert!(found[0].starts_with("warning  door ssh: no rule passes addresses"), "{found:?}");
}

#[test]
fn every_interface_that_is_captured_on_counts() {
    let config = config("ports: [Tcp(22)]");
    let rules = "block drop in on em0 all\npass in on em0 from <knock_ssh> to any flags S/SA\n";
    let found = judged(&config, &["em0", "em1"], &[("-sr", rules)]);
    assert!(found[0].contains("no rule blocks 22/tcp"), "{found:?}");
    let found = judged(&config, &["em0"], &[("-sr", rules)]);
    assert_eq!(found[0], SHUT);
    let found = judged(&config, &[""], &[("-sr", rules)]);
    assert!(found[0].contains("cannot tell whether strangers reach"), "{found:?}");
}

#[test]
fn the_port_of_tokens_must_not_give_the_daemon_away() {
    let spa = |rules: &str| {
        let found = judged(&config("ports: [Tcp(22)]"), &["em0"], &[("-sr", rules)]);
        found.into_iter().find(|line| line.contains(" SPA port: ")).unwrap()
    };
    assert_eq!(
        spa("block drop all\npass in proto udp from any to any port 1024:65535\n"),
        "warning  SPA port: 40123/udp passes over IPv4 and IPv6 by `pass in proto udp from any \
         to any port 1024:65535`, so the kernel answers that nobody listens: block it"
    );
    assert!(spa("").starts_with("warning  SPA port: no rule blocks 40123/udp"));
    assert!(spa("block return-rst all\n").starts_with("ok "), "a reset is for TCP");
    assert!(spa("block return all\n").starts_with("warning  SPA port: the kernel answers"));
}

#[test]
fn anchors_are_followed_where_they_are_called() {
    let config = config("ports: [Tcp(22)], anchor: \"knockd\"");
    let main = "block drop all\nanchor \"knockd\" in on em0 all\nanchor \"com.apple/*\" all\n";
    let pass = "pass in proto tcp from <knock_ssh> to any port = 22 flags S/SA\n";
    let answers = |inner: &'static str| {
        vec![
            ("-sr", main),
            ("-a knockd -sr", pass),
            ("-a com.apple -sA", "  com.apple/b\n  com.apple/a\n"),
            ("-a com.apple/a -sr", "pass in quick all flags S/SA\n"),
            ("-a com.apple/b -sr", inner),
        ]
    };
    let mut quiet = answers("");
    quiet[3].1 = "";
    let found = judged(&config, &["em0"], &quiet);
    assert_eq!(found[0], SHUT, "{found:?}");
    assert!(found[1].starts_with(
        "ok       door ssh: 22/tcp is open to addresses in <knock_ssh> in anchor knockd"
    ));
    // `a` comes before `b`, whatever the order of the list.
    let found = judged(&config, &["em0"], &answers("block drop in quick all\n"));
    assert!(found[0].ends_with(
        "by `pass in quick all flags S/SA` in anchor com.apple/a: remove that rule, or narrow it"
    ));
    // The anchor's own condition counts for what is in it.
    let found = judged(&config, &["em1"], &quiet);
    assert!(found[1].contains("stays shut"), "{found:?}");
}

#[test]
fn ports_are_asked_for_as_numbers_where_pfctl_can_print_them() {
    let config = config("ports: [Tcp(8080)]");
    let rules = "block drop all\npass in proto tcp from <knock_ssh> to any port = 8080\n";
    let named = rules.replace("8080", "http-alt");
    let found = judged(&config, &["em0"], &[("-P -sr", rules), ("-sr", &named)]);
    assert!(found[1].starts_with("ok       door ssh: 8080/tcp is open to"), "{found:?}");
    let inside = [("-P -sr", "block drop all\nanchor \"a\" all\n"), ("-a a -P -sr", rules)];
    let found = judged(&config, &["em0"], &inside);
    assert!(found[1].starts_with("ok       door ssh: 8080/tcp is open to"), "{found:?}");
}

#[test]
fn a_table_of_an_anchor_is_not_the_main_one_of_its_name() {
    let config = config("ports: [Tcp(22)], anchor: \"knockd\"");
    let rules = "block drop all\npass in proto tcp from <knock_ssh> to any flags S/SA\n";
    let found = judged(&config, &["em0"], &[("-sr", rules)]);
    assert!(found[1].contains("stays shut to addresses in <knock_ssh> in anchor"), "{found:?}");
}

#[test]
fn a_quick_anchor_ends_the_way_only_for_what_matched_in_it() {
    let config = config("ports: [Tcp(22)]");
    let main = "anchor \"a\" quick all\nblock drop all\n";
    let inside = |rules| judged(&config, &["em0"], &[("-sr", main), ("-a a -sr", rules)]);
    assert!(inside("pass in proto tcp all flags S/SA\n")[0].contains("strangers reach"));
    assert_eq!(inside("pass in proto icmp all\n")[0], SHUT);
}

#[test]
fn what_cannot_be_read_is_named() {
    let config = config("ports: [Tcp(22)]");
    let rules = "anchor \"gone\" all\nblock drop all\nanchor out all\nblock wibble out all\n";
    let found = judged(&config, &["em0"], &[("-sr", rules)]);
    assert_eq!(found[0], SHUT, "what follows decides");
    assert_eq!(
        found.iter().filter(|line| line.starts_with("warning  rules: ")).collect::<Vec<_>>(),
        [
            "warning  rules: cannot read the rules of `anchor \"gone\" all`: look at it yourself",
            "warning  rules: cannot read the rules of `anchor out all`: look at it yourself",
            "warning  rules: \"wibble\" is not understood in `block wibble out all`: look at it \
             yourself",
        ]
    );
    let many = "pass in all wibble\n".repeat(MAX_UNREAD + 5);
    let found = judged(&config, &["em0"], &[("-sr", &many)]);
    assert!(found.last().unwrap().contains("5 more rules are not understood"));
}

#[test]
fn an_anchor_that_calls_itself_comes_to_an_end() {
    let mut calls = 0;
    let mut ask = |_: &[&str]| {
        calls += 1;
        Ok("anchor \"a\" all\nanchor \"/b/*\" all\n".to_owned())
    };
    read::read(&mut ask, &Services::default()).unwrap();
    assert!(calls <= 64, "{calls}");
}

#[test]
fn a_whole_check_names_everything_in_order_and_shows_no_key() {
    let house = House::new();
    let root = house.directory.path();
    let place = |name: &str| root.join(name).display().to_string();
    let directories = format!("directories: (state: {:?}, run: {:?})", place("s"), place("r"));
    fs::create_dir(root.join("s")).unwrap();
    modes::set_mode(root.join("s"), 0o755);
    let file = root.join("knockd.ron");
    fs::write(&file, conf(&[&directories])).unwrap();
    let mut out = Vec::new();
    let mut ask = || Err("knockd is not running, start it".to_owned());
    let worst = doctor::run(&file, &mut ask, &mut out);
    let text = String::from_utf8(out).unwrap();
    house.assert_discreet(&text);
    let subjects: Vec<_> =
        text.lines().filter_map(|line| line[9..].split(": ").next()).collect();
    let (first, last) = subjects.split_at(6);
    assert_eq!(
        first,
        ["configuration", "secrets", "state", "run", "empty", "daemon"],
        "{text}"
    );
    assert!(last.contains(&"clock") && last.contains(&"firewall"), "{text}");
    assert!(text.contains("error    daemon: knockd is not running, start it\n"), "{text}");
    assert!(
        text.contains(&format!("{} is open to others, mode 0755: run `chmod 700 ", place("s"))),
        "{text}"
    );
    assert!(text.contains(&format!("{} is missing: run `mkdir -p ", place("r"))), "{text}");
    assert_eq!(worst, Grade::Error);
}

#[test]
fn a_sequence_that_a_scan_may_open_is_a_warning_although_it_is_allowed() {
    let house = House::new();
    let file = house.directory.path().join("knockd.ron");
    let sequences = r#"sequences: {
        "good": (steps: [Udp(7000), Udp(9000), Udp(8000)], opens: ["ssh"], weak: Allowed),
        "lax": (steps: [Tcp(7001), Tcp(9001), Tcp(8001)], opens: ["ssh"], weak: Allowed, strict: false),
        "up": (steps: [Tcp(1), Tcp(5), Tcp(9)], opens: ["ssh"], weak: Allowed)}"#;
    fs::write(&file, conf(&[sequences])).unwrap();
    let mut out = Vec::new();
    doctor::run(&file, &mut || Err("not running".to_owned()), &mut out);
    let report = String::from_utf8(out).unwrap();
    let lines: Vec<_> = report.lines().filter(|line| line.contains(" sequence ")).collect();
    let expected = [
        "warning  sequence lax: weak, without strict a scan is not noticed: change it, or use tokens",
        "warning  sequence up: weak, its ports only rise, as in a scan: change it, or use tokens",
    ];
    assert_eq!(lines, expected, "{report}");
}

#[test]
fn every_mistake_in_the_configuration_is_an_error_and_the_rest_is_checked() {
    let house = House::new();
    let file = house.directory.path().join("knockd.ron");
    let text = conf(&["doors: {\"ssh\": (table: \"knock ssh\", open_for: \"0s\")}"]);
    fs::write(&file, &text).unwrap();
    let mut out = Vec::new();
    let pairs = [("fingerprint".to_owned(), knockd::config::fingerprint(text.as_bytes()))];
    let worst = doctor::run(&file, &mut || Ok(pairs.to_vec()), &mut out);
    let report = String::from_utf8(out).unwrap();
    let mistakes = report.lines().filter(|line| line.starts_with("error    configuration: "));
    assert_eq!(mistakes.count(), 2, "{report}");
    assert!(report.contains("ok       reload: "), "{report}");
    assert!(report.contains("clock: "), "{report}");
    assert_eq!(worst, Grade::Error);
}
