//! Valid configurations, and the texts and places of errors.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::time::Duration;

use crate::house::{House, conf, sample};
use crate::modes::set_mode;
use knockd::config::{self, Problem, position};
use knockd::core::address::Loopback;
use knockd::core::credential::secret;
use knockd::core::door::DoorIndex;
use knockd::core::interface::{Selection, Selector};
use knockd::core::policy::{Limits, OnRemove};
use knockd::core::reason::Reason;
use knockd::core::sighting::{FlagMask, TcpFlags};
use knockd::core::time::Wall;
use knockd::core::token::GateKey;
use knockd::core::user::SourcePolicy;
use knockd::firewall::Choice;
use knockd::keyfile;
use proptest::prelude::*;

#[test]
fn every_valid_sample_is_accepted_without_a_warning() {
    let house = House::new();
    for name in ["minimal.ron", "gateway.ron", "sequences.ron", "odd.ron"] {
        let config =
            house.parse(&sample(name)).unwrap_or_else(|error| panic!("{name}\n{error}"));
        assert!(config.warnings.list().is_empty(), "{name}: {}", config.warnings);
    }
}

#[test]
fn ten_errors_are_reported_at_once_with_their_places() {
    assert_eq!(
        House::new().problems(&sample("mistakes.ron")),
        [
            "4:11: the name of the server must be 1 to 64 bytes of a-z 0-9 . and -",
            "5:28: interface egress is named twice",
            "7:17: invalid port 0, use 1 to 65535",
            "7:32: cannot open key file ETC/knockd/absent.key: No such file or directory (os error 2)",
            "7:57: max_skew is \"1h\", must be 1s to 10m, as in \"1m30s\"",
            "9:24: table \"keep\" is called by a word of pf.conf, choose another name",
            "10:67: max_open_for is 1h, must be at least open_for, 2h",
            "13:26: weak sequence: its ports only rise, as in a scan; change it or write weak: Allowed",
            "13:76: there is no door \"wbe\"",
            "15:84: not_after is \"tomorrow\", must be a day as in \"2027-01-31\" or a second as in \"2027-01-31T12:00:00Z\"",
        ]
    );
}

#[test]
fn every_field_of_a_full_configuration_is_read() {
    let house = House::new();
    let config = house.parse(&sample("gateway.ron")).unwrap();
    let policy = &config.policy;

    let interface = |selector, required| Selection { selector, required };
    assert_eq!(
        config.interfaces,
        [
            interface(Selector::Egress, false),
            interface(Selector::Name(String::from("vlan10")), true)
        ]
    );
    assert_eq!(config.directories.secrets, house.directory.path().join("knockd"));
    assert_eq!(config.directories.state, Path::new("/srv/state"));
    assert_eq!((config.on_remove, config.user.as_str()), (OnRemove::Keep, "www.knock-1"));
    assert_eq!(config.firewall, Choice::Pf);
    assert_eq!(policy.limits, Limits { max_leases: 500, max_attempts: 1000 });
    assert_eq!(policy.loopback, Loopback::Allowed);

    let spa = policy.spa.as_ref().unwrap();
    assert_eq!((spa.port, spa.gate_keys.len(), spa.max_skew.as_secs()), (40123, 2, 90));
    let newest = keyfile::read(&house.path("gate.key")).unwrap().key;
    assert_eq!(spa.gate_keys[0].1, GateKey::new(newest).server_id("gw1.example.org"));

    let ssh = policy.door(DoorIndex(1)).unwrap();
    assert_eq!((ssh.name.as_str(), ssh.table.name.as_str()), ("ssh", "knock_ssh"));
    assert_eq!(ssh.table.anchor.as_deref(), Some("knockd/inner"));
    assert_eq!((ssh.open_for.as_secs(), ssh.max_open_for.as_secs()), (60, 8 * 3600));

    let front = &policy.sequences[0];
    assert_eq!((front.strict, front.within.as_secs()), (false, 5));
    assert_eq!(front.doors, [DoorIndex(0), DoorIndex(1)], "in ascending order");
    assert!(!front.flags.matches(TcpFlags::SYN.union(TcpFlags::PSH)));
    assert_eq!(policy.sequences[1].flags, FlagMask::INITIAL_SYN);

    let secret = keyfile::read(&house.path("bob.key")).unwrap().key;
    let (_, bob) = policy.user_by_id(&secret::id(&secret)).unwrap();
    assert_eq!((bob.name.as_str(), bob.source), ("bob", SourcePolicy::Observed));
    let end = Wall::from_millis(1_801_440_000_000);
    let validity = |at| bob.check_validity(&bob.credentials[0], at);
    assert_eq!(validity(end), Err(Reason::Expired));
    assert_eq!(validity(end - Duration::from_millis(1)), Ok(()));
    let alice = &policy.users[0];
    assert!(alice.may_open(DoorIndex(0)) && alice.may_open(DoorIndex(1)), "named out of order");
}

#[test]
fn defaults_are_those_of_the_manual() {
    let config = House::new().parse(&sample("sequences.ron")).unwrap();
    assert_eq!(config.directories.state, Path::new("/var/db/knockd"));
    assert_eq!(config.directories.run, Path::new("/var/run/knockd"));
    assert_eq!(config.policy.limits, Limits { max_leases: 10_000, max_attempts: 65_536 });
    assert_eq!(config.policy.loopback, Loopback::Refused);
    let door = &config.policy.doors[0];
    assert_eq!((door.open_for.as_secs(), door.max_open_for.as_secs()), (60, 60));
    assert_eq!(door.max_leases, 1_000);
    let config = House::new().parse(&sample("minimal.ron")).unwrap();
    assert_eq!(config.interfaces, [Selection { selector: Selector::Egress, required: false }]);
    assert_eq!(config.policy.users[0].max_leases, 16);
    assert_eq!((config.on_remove, config.user.as_str()), (OnRemove::Close, "_knockd"));
    assert_eq!(config.policy.users[0].source, SourcePolicy::Bound);
    assert_eq!(config.policy.spa.as_ref().unwrap().max_skew.as_secs(), 30);
}

#[test]
fn the_first_syntax_error_is_reported_with_its_place() {
    let house = House::new();
    for (text, expected) in [
        ("", "1:1: expected fields, as in (name: ..)"),
        ("(", "1:2: unexpected end of file"),
        ("(name: 3)", "1:8: expected a string in double quotes"),
        ("(name: \"x\"\n firewall: Pf)", "2:2: expected a comma"),
        ("(name: \"x\", name: \"y\")", "1:13: field name appears twice"),
        ("(name: \"x\")", "1:11: field doors is missing"),
        ("(name: \"x", "1:8: this string has no end, close it with a double quote"),
        ("(firewall: Fp)", "1:12: unknown choice Fp, expected Pf, Nft or Memory"),
        ("(firewall: Nft(tabel: \"x\"))", "1:16: unknown field tabel, expected table"),
        ("(spa: (port: 70000))", "1:14: the number is out of range"),
        ("(interfaces: \"egress\")", "1:14: expected a list, as in [..]"),
        ("(doors: {})\n/* more */ x", "2:12: nothing may follow the configuration"),
        ("(name: \"ä\", /* ä", "1:17: this comment has no end, close it with */"),
    ] {
        let text = text.replace("(doors: {})", "(name: \"x\", doors: {})");
        assert_eq!(house.problems(&text), [expected], "{text}");
    }
}

#[test]
fn unknown_fields_are_errors_in_every_stanza() {
    for stanza in [
        "colour: 1",
        "spa: (colour: 1)",
        "doors: {\"a\": (colour: 1)}",
        "sequences: {\"a\": (colour: 1)}",
        "sequences: {\"a\": (flags: (colour: 1))}",
        "users: {\"a\": (colour: 1)}",
        "limits: (colour: 1)",
        "directories: (colour: 1)",
    ] {
        let problems = House::new().problems(&conf(&[stanza]));
        assert!(problems[0].contains("unknown field colour"), "{stanza}: {problems:?}");
    }
}

#[test]
fn what_is_valid_but_doubtful_is_a_warning_with_its_place() {
    let house = House::new();
    let warnings = |stanzas: &[&str]| house.warnings(&conf(stanzas));
    assert_eq!(
        warnings(&["doors: {\"ssh\": (table: \"a\"), \"web\": (table: \"b\")}"]),
        ["4:30: nobody can open door web: no user and no sequence names it"]
    );
    let sequence = "sequences: {\"a\": (steps: [Udp(9), Udp(1), Udp(5)], opens: [\"ssh\"], flags: (set: [Ack]))}";
    assert_eq!(
        warnings(&[sequence]),
        ["7:75: flags have no effect, the sequence has no tcp step"]
    );
    assert_eq!(
        warnings(&[sequence, "users: {}"])[0],
        "5:6: spa needs users, add one with knockctl enroll"
    );
    let idle = "users: {\"alice\": (credential: Secret(\"alice.key\"), doors: [])}";
    assert!(warnings(&[idle]).contains(&String::from("6:59: user \"alice\" may open no door")));
}

#[test]
fn a_file_is_read_with_the_keys_next_to_it() {
    let house = House::new();
    let file = house.directory.path().join("knockd.ron");
    let problem = config::load(&file).unwrap_err().to_string();
    assert!(problem.starts_with("cannot read configuration /"), "{problem}");

    fs::write(&file, sample("minimal.ron")).unwrap();
    assert_eq!(config::load(&file).unwrap().name, "gw1.example.org");
    fs::rename(house.path("gate.key"), house.path("moved.key")).unwrap();
    symlink("moved.key", house.path("gate.key")).unwrap();
    assert!(config::load(&file).is_ok(), "a symbolic link is as good as its target");

    fs::write(&file, b"(name: \"\xc3\xa4\n\xc3\xa4\xff").unwrap();
    let problem = config::load(&file).unwrap_err().to_string();
    assert_eq!(problem, format!("{}:2:2: the text is not UTF-8", file.display()));

    fs::write(&file, vec![b' '; usize::try_from(config::MAX_LENGTH).unwrap() + 1]).unwrap();
    let problem = config::load(&file).unwrap_err().to_string();
    assert!(problem.ends_with("exceeds 4194304 bytes, name another file"), "{problem}");
}

/// Why a configuration is refused, with `DIR` for the directory.
fn refusal(directory: &Path, file: &Path) -> String {
    let problems = config::load(file).unwrap_err().to_string();
    problems.replace(&directory.display().to_string(), "DIR")
}

#[test]
fn a_configuration_that_others_can_write_to_is_refused() {
    let house = House::new();
    let (directory, file) = (house.directory.path(), house.directory.path().join("knockd.ron"));
    fs::write(&file, sample("minimal.ron")).unwrap();
    for mode in [0o666, 0o664, 0o646, 0o602] {
        set_mode(&file, mode);
        let expected = format!(
            "configuration DIR/knockd.ron is open to others, mode {mode:04o}, run chmod 644 \
             DIR/knockd.ron"
        );
        assert_eq!(refusal(directory, &file), expected);
    }
    for mode in [0o600, 0o640, 0o644, 0o444] {
        set_mode(&file, mode);
        assert!(config::load(&file).is_ok(), "{mode:o}");
    }
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        chown(&file, Some(65_534), None).unwrap();
        let expected = "configuration DIR/knockd.ron belongs to user id 65534, run chown 0 \
                        DIR/knockd.ron";
        assert_eq!(refusal(directory, &file), expected);
    }
    fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let expected = "configuration DIR/knockd.ron is not a regular file, name another file";
    assert_eq!(refusal(directory, &file), expected);
}

#[test]
fn a_configuration_that_others_can_replace_is_refused() {
    let house = House::new();
    let directory = house.directory.path();
    let (above, beside) = (directory.join("above"), directory.join("beside"));
    fs::create_dir_all(above.join("etc")).unwrap();
    fs::create_dir(&beside).unwrap();
    let file = above.join("etc/knockd.ron");
    fs::write(&file, sample("sequences.ron")).unwrap();
    let link = beside.join("knockd.ron");
    symlink("../above/etc/knockd.ron", &link).unwrap();
    let both = [&file, &link, &beside.join("../above/etc/../etc/knockd.ron")];
    let replaceable = |file: &Path, by: &str| {
        let file = file.strip_prefix(directory).unwrap().display();
        format!("others can replace configuration DIR/{file}: {by}")
    };

    for mode in [0o777, 0o775, 0o1777] {
        set_mode(&above, mode);
        for file in both {
            if mode == 0o1777 {
                assert!(config::load(file).is_ok(), "what is ours stays in a sticky directory");
                continue;
            }
            // The name is the one that leads there.
            let refused = refusal(directory, file);
            assert!(refused.starts_with(&replaceable(file, "DIR/")), "{refused}");
            let by = format!(" is open to others, mode {mode:04o}, run chmod go-w DIR/");
            assert!(refused.contains(&by), "{refused}");
        }
    }
    set_mode(&beside, 0o777);
    let by = "DIR/beside is open to others, mode 0777, run chmod go-w DIR/beside";
    assert_eq!(refusal(directory, &link), replaceable(&link, by));
    assert!(config::load(&file).is_ok());
    set_mode(&beside, 0o1777);
    assert!(config::load(&link).is_ok());
    if nix::unistd::geteuid().is_root() {
        lchown(&link, Some(65_534), None).unwrap();
        let by = "DIR/beside/knockd.ron belongs to user id 65534, run chown 0 \
                  DIR/beside/knockd.ron";
        assert_eq!(refusal(directory, &link), replaceable(&link, by));
        chown(&above, Some(65_534), None).unwrap();
        let by = "DIR/above belongs to user id 65534, run chown 0 DIR/above";
        assert_eq!(refusal(directory, &file), replaceable(&file, by));
    }
}

/// A valid sample with a few of its bytes removed, replaced or repeated.
fn mutated() -> impl Strategy<Value = String> {
    let names =
        prop::sample::select(vec!["gateway.ron", "odd.ron", "sequences.ron", "mistakes.ron"]);
    let edit = (any::<prop::sample::Index>(), 0_usize..4, "[\\PC\n]{0,3}|[(){}\\[\\],:\"'/*]");
    (names, prop::collection::vec(edit, 1..5)).prop_map(|(name, edits)| {
        let mut text: Vec<char> = sample(name).chars().collect();
        for (place, removed, added) in edits {
            let start = place.index(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, added.chars());
        }
        text.into_iter().collect()
    })
}

fn soup() -> impl Strategy<Value = String> {
    let words = vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "name",
        "doors",
        "\"ssh\"",
        "Tcp",
        "9",
        "Some",
        "r#\"",
        "\"#",
        "/*",
        "*/",
        "//",
        "\n",
        "'",
        "b'",
        "\\",
        "#![enable(",
        "r#",
        "ä",
        " ",
    ];
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![mutated(), soup(), any::<String>()]) {
        let absent = Path::new("/nonexistent");
        if let Err(problems) = config::parse(&text, Path::new("knockd.ron"), absent) {
            prop_assert!(!problems.list().is_empty());
            for Problem { place, text: problem } in problems.list() {
                prop_assert!(!problem.chars().any(char::is_control), "{:?}", problem);
                let place = place.unwrap();
                let line = text.split('\n').nth(place.line - 1);
                prop_assert!(line.is_some_and(|line| place.column <= line.chars().count() + 1));
            }
        }
        let _ = position::Index::new(&text).root().field("doors").entry(0).field("table").place();
    }
}
