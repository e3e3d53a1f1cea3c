//! Errors in doors, and in the fields around them.
#![forbid(unsafe_code)]

use crate::house::{House, assert_problems, conf};
use knockd::firewall::Choice;

#[test]
fn interfaces_have_valid_names_and_none_comes_twice() {
    assert_problems(&["interfaces: []"], &["7:13: no interface, name one, or egress or any"]);
    assert_problems(
        &["interfaces: [\"\", \"em 0\", \"em0\", \"averylonginterface\"]"],
        &[
            "7:14: interface \"\" must be 1 to 15 bytes of letters, digits, _ . : and -",
            "7:18: interface \"em 0\" must be 1 to 15 bytes of letters, digits, _ . : and -",
            "7:33: interface \"averylonginterface\" must be 1 to 15 bytes of letters, digits, _ . : and -",
        ],
    );
    assert_problems(
        &["interfaces: [\"em0\"]", "required_interfaces: [\"em1\", \"em0\", \"em0\"]"],
        &[
            "8:23: interface \"em1\" is required, add it to interfaces",
            "8:37: interface em0 is named twice",
        ],
    );
}

#[test]
fn a_system_without_pf_needs_a_firewall_in_the_configuration() {
    let text = conf(&[]).replace("firewall: Memory,\n", "");
    let result = House::new().parse(&text);
    if cfg!(target_os = "linux") {
        let expected =
            "knockd.ron:1:1: this system has no pf, write firewall: Nft(table: ..) or Memory";
        assert_eq!(result.unwrap_err().to_string(), expected);
    } else {
        assert_eq!(result.unwrap().firewall, Choice::Pf);
    }
    assert_problems(
        &["firewall: Nft(table: \"my table\")"],
        &[
            "3:22: the nft table must be 1 to 31 bytes of letters, digits, _ . and -, a letter first",
        ],
    );
}

#[test]
fn directories_are_absolute() {
    assert_problems(
        &["directories: (state: \"var/db\", run: \"\")"],
        &[
            "7:22: directory \"var/db\" must be an absolute printable path",
            "7:37: directory \"\" must be an absolute printable path",
        ],
    );
}

#[test]
fn no_two_directories_are_the_same() {
    assert_problems(
        &["directories: (state: \"/srv//knockd/\", run: \"/srv/knockd\")"],
        &["7:44: directory \"/srv/knockd\" is already used for state, name another"],
    );
    assert_problems(
        &["directories: (state: \"/var/run/knockd\")"],
        &["7:14: directory \"/var/run/knockd\" is already used for state, name another"],
    );
}

#[test]
fn the_account_has_a_portable_name_and_is_not_root() {
    for name in ["", "root", "a b", "a:b", "ä", "a\\nb", &"a".repeat(33)] {
        let problems = House::new().problems(&conf(&[&format!("user: \"{name}\"")]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let text = "must be 1 to 32 bytes of letters, digits, _ . and -, and not root";
        assert!(problems[0].starts_with("7:7: user \"") && problems[0].ends_with(text));
    }
    for name in ["_knockd", "Knock.d-1", &"a".repeat(32)] {
        let house = House::new();
        assert_eq!(house.parse(&conf(&[&format!("user: \"{name}\"")])).unwrap().user, name);
    }
}

#[test]
fn limits_have_a_range() {
    assert_problems(
        &["limits: (max_leases: 0, max_attempts: 1000001)"],
        &[
            "7:22: max_leases is 0, must be 1 to 200000",
            "7:39: max_attempts is 1000001, must be 1 to 1000000",
        ],
    );
}

#[test]
fn doors_have_names_that_fit_logs_and_tokens() {
    let long = "a".repeat(33);
    for name in ["", "Ssh", "2ssh", "s h", "s\\nh", &long] {
        let doors = format!("doors: {{\"ssh\": (table: \"t\"), \"{name}\": (table: \"t\")}}");
        let problems = House::new().problems(&conf(&[&doors]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("4:30: invalid door name \""), "{problems:?}");
    }
    assert_problems(
        &["doors: {\"ssh\": (table: \"a\"), \"ssh\": (table: \"b\")}"],
        &["4:30: door \"ssh\" is already at 4:9, rename one"],
    );
    assert_problems(
        &["doors: {}", "users: {}", "sequences: {}"],
        &["4:8: there is no door, add one"],
    );
    let text =
        conf(&["users: {}"]).replace("spa: (port: 40123, gate_keys: [\"gate.key\"]),\n", "");
    assert_eq!(
        House::new().problems(&text),
        ["1:1: nothing can open a door, add users or sequences"]
    );
}

#[test]
fn tables_and_anchors_have_names_that_pf_accepts() {
    let problems = |door: &str| {
        let mut problems =
            House::new().problems(&conf(&[&format!("doors: {{\"ssh\": ({door})}}")]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    };
    for table in ["", "a b", "<t>", &"t".repeat(32)] {
        let problem = problems(&format!("table: \"{table}\""));
        assert!(problem.contains("must be 1 to 31 bytes of letters"), "{problem}");
    }
    assert!(problems("table: \"keep\"").contains("called by a word of pf.conf"));
    let (part, path) = ("p".repeat(64), ["p"; 513].join("/"));
    for (anchor, fault) in [
        ("", "names nothing"),
        ("/a", "must not begin with a slash"),
        ("a//b", "1 to 63 bytes"),
        ("a/", "1 to 63 bytes"),
        (&part, "1 to 63 bytes"),
        (&path, "shorter than 1024"),
        ("a b", "printable ASCII"),
        ("a/*", "printable ASCII"),
        ("_pf", "reserved by pf"),
        ("_pf/a", "reserved by pf"),
    ] {
        let problem = problems(&format!("table: \"t\", anchor: \"{anchor}\""));
        assert!(problem.starts_with("4:37: ") && problem.contains(fault), "{problem}");
    }
    assert_problems(
        &[
            "doors: {\"ssh\": (table: \"t\", anchor: \"a\")}",
            "firewall: Nft(table: \"filter\")",
        ],
        &["4:37: nft has no anchors, remove anchor"],
    );
}

#[test]
fn a_door_opens_for_a_second_to_thirty_days() {
    let door = |fields: &str| format!("doors: {{\"ssh\": (table: \"t\", {fields})}}");
    for (fields, expected) in [
        ("open_for: \"0s\"", "4:39: open_for is \"0s\", must be 1s to 30d, as in \"1m30s\""),
        ("open_for: \"1 h\"", "4:39: open_for is \"1 h\", must be 1s to 30d, as in \"1m30s\""),
        (
            "max_open_for: \"31d\"",
            "4:43: max_open_for is \"31d\", must be 1s to 30d, as in \"1m30s\"",
        ),
        ("max_open_for: \"59s\"", "4:43: max_open_for is 59s, must be at least open_for, 1m"),
        ("max_leases: 0", "4:41: max_leases is 0, must be 1 to 200000"),
        ("ports: [Tcp(22), Udp(0)]", "4:46: invalid port 0, use 1 to 65535"),
        ("ports: [Tcp(22), Tcp(22)]", "4:46: port 22/tcp is named twice"),
    ] {
        assert_problems(&[&door(fields)], &[expected]);
    }
}

#[test]
fn stanzas_are_bounded() {
    let many = |stanza: &str, count, value: &str| {
        let entries: Vec<_> = (0..count).map(|n| format!("\"x{n}\": {value}")).collect();
        format!("{stanza}: {{{}}}", entries.join(","))
    };
    let door = "(table: \"t\")";
    let sequence = "(steps: [Tcp(9)], opens: [\"ssh\"], weak: Allowed)";
    let user = "(credential: Ed25519(\"\"), doors: [\"ssh\"])";
    for (stanza, expected) in [
        (many("doors", 70_000, door), "4:8: more than 1000 doors, remove some"),
        (many("sequences", 257, sequence), "7:12: more than 256 sequences, remove some"),
        (many("users", 10_001, user), "6:8: more than 10000 users, remove some"),
    ] {
        let problems = House::new().problems(&conf(&[&stanza]));
        assert!(problems.iter().any(|problem| problem == expected), "{expected}");
    }
}

#[test]
fn fields_that_only_pf_supports_need_pf() {
    assert_problems(
        &["create_tables: true", "enable_pf: true"],
        &[
            "7:16: Memory does not support create_tables, remove it",
            "8:12: Memory does not support enable_pf, remove it",
        ],
    );
    assert_problems(
        &[
            "firewall: Nft(table: \"knockd\")",
            "doors: {\"ssh\": (table: \"knock_ssh\", on_close: KillStates)}",
        ],
        &["4:47: nft cannot kill states, use on_close: KeepStates"],
    );
    let pf = ["firewall: Pf", "create_tables: true"];
    let config = House::new().parse(&conf(&pf)).unwrap();
    assert!(config.create_tables && !config.enable_pf);
}

#[test]
fn a_routing_domain_has_the_range_of_openbsd() {
    assert_problems(
        &["doors: {\"ssh\": (table: \"knock_ssh\", rdomain: 256)}"],
        &["4:46: rdomain is 256, must be at most 255"],
    );
}
