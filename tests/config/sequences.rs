//! Errors in knock sequences.
#![forbid(unsafe_code)]

use crate::house::{House, assert_problems, conf};

#[test]
fn sequences_have_steps_that_a_scan_does_not_find() {
    let steps = |steps: &str, weak| {
        format!("sequences: {{\"a\": (steps: [{steps}], opens: [\"ssh\"], weak: {weak})}}")
    };
    for (weak_steps, why) in [
        ("Tcp(1), Tcp(9)", "it has fewer than three steps"),
        ("Tcp(7), Udp(7), Tcp(7)", "all its steps go to one port"),
        ("Tcp(1), Udp(5), Tcp(5), Tcp(9)", "its ports only rise, as in a scan"),
        ("Tcp(9), Udp(5), Tcp(1)", "its ports only fall, as in a scan"),
        ("Tcp(9), Tcp(4), Tcp(5)", "two consecutive ports are neighbours"),
        ("Udp(9), Udp(4), Udp(6)", "only one port lies between two consecutive UDP ports"),
    ] {
        let expected = format!("7:26: weak sequence: {why}; change it or write weak: Allowed");
        assert_problems(&[&steps(weak_steps, "Refused")], &[&expected]);
        assert!(House::new().parse(&conf(&[&steps(weak_steps, "Allowed")])).is_ok());
    }
    assert!(House::new().parse(&conf(&[&steps("Tcp(9), Tcp(4), Udp(6)", "Refused")])).is_ok());
    let many = vec!["Tcp(1)"; 33].join(", ");
    for wrong in ["", &many] {
        assert_problems(
            &[&steps(wrong, "Allowed")],
            &["7:26: a sequence must have 1 to 32 steps"],
        );
    }
    assert_problems(
        &[&steps("Tcp(9), Udp(40123), Tcp(0)", "Allowed")],
        &[
            "7:35: 40123/udp is a port of tokens and cannot be a step, use another",
            "7:47: invalid port 0, use 1 to 65535",
        ],
    );
}

#[test]
fn a_sequence_that_a_scan_cannot_reset_is_weak() {
    let mut house = House::new();
    house.add_key("rolling.key", knockd::keyfile::KeyKind::Secret, 9);
    let with = |steps: &str, rest: &str| {
        format!("sequences: {{\"a\": ({steps}, opens: [\"ssh\"], {rest})}}")
    };
    let lax = "weak sequence: without strict a scan is not noticed";
    let open =
        "weak sequence: segments of open connections have its flags, so a scan is not noticed";
    let tcp = "steps: [Tcp(9), Tcp(1), Tcp(5)]";
    let udp = "steps: [Udp(9), Udp(1), Udp(5)]";
    let rolling = "changing: Rolling(secret: \"rolling.key\")";
    for (steps, rest, expected) in [
        (tcp, "strict: false", Some(lax)),
        (udp, "strict: false", Some(lax)),
        (rolling, "strict: false", Some(lax)),
        (tcp, "flags: (set: [Ack])", Some(open)),
        (tcp, "flags: ()", Some(open)),
        (tcp, "flags: (set: [Psh], clear: [Syn]), strict: false", Some(open)),
        ("steps: [Udp(9), Tcp(1), Udp(5)]", "flags: (clear: [Syn])", Some(open)),
        (udp, "flags: (set: [Ack])", None),
        (tcp, "flags: (set: [Fin])", None),
        (tcp, "flags: (set: [Syn, Ack])", None),
        (tcp, "flags: (clear: [Fin, Syn, Rst, Psh, Ack, Urg])", None),
        (tcp, "flags: (set: [Fin, Psh, Urg])", None),
    ] {
        let text = conf(&[&with(steps, rest)]);
        if let Some(why) = expected {
            let problems = house.problems(&text);
            assert_eq!(problems.len(), 1, "{rest}: {problems:?}");
            let expected = format!(": {why}; change it or write weak: Allowed");
            assert!(problems[0].ends_with(&expected), "{rest}: {problems:?}");
        } else {
            assert!(house.parse(&text).is_ok(), "{rest}");
        }
        let allowed = with(steps, &format!("{rest}, weak: Allowed"));
        let config = house.parse(&conf(&[&allowed])).unwrap();
        assert_eq!(config.policy.sequences[0].strict, expected.is_none(), "{rest}");
    }
}

#[test]
fn sequences_open_known_doors_within_a_time() {
    let sequence =
        |rest: &str| format!("sequences: {{\"a\": (steps: [Tcp(9), Tcp(1), Tcp(5)], {rest})}}");
    for (rest, expected) in [
        ("opens: []", "7:59: the sequence opens no door, name one"),
        ("opens: [\"ssh\", \"web\"]", "7:67: there is no door \"web\""),
        ("opens: [\"ssh\", \"ssh\"]", "7:67: door \"ssh\" is named twice"),
        (
            "opens: [\"ssh\"], within: \"99ms\"",
            "7:76: within is \"99ms\", must be 100ms to 10m, as in \"1m30s\"",
        ),
        (
            "opens: [\"ssh\"], flags: (set: [Syn, Fin], clear: [Fin])",
            "7:75: a flag cannot be both set and clear, remove it from one",
        ),
    ] {
        assert_problems(&[&sequence(rest)], &[expected]);
    }
    assert_problems(
        &["sequences: {\"A\": (steps: [Tcp(9), Tcp(1), Tcp(5)], opens: [\"ssh\"])}"],
        &[
            "7:13: invalid sequence name \"A\", use a letter a-z, then up to 31 of a-z 0-9 _ and -",
        ],
    );
}

#[test]
fn no_sequence_begins_with_another() {
    let two = |one: &str, other: &str| {
        format!(
            "sequences: {{\"a\": (steps: [{one}], opens: [\"ssh\"], weak: Allowed),\n\
             \"b\": (steps: [{other}], opens: [\"ssh\"], weak: Allowed)}}"
        )
    };
    let expected =
        "8:14: one of the sequences \"b\" and \"a\" begins with the other, change a step";
    for (one, other) in
        [("Tcp(9)", "Tcp(9)"), ("Tcp(9)", "Tcp(9), Tcp(1)"), ("Tcp(9), Tcp(1)", "Tcp(9)")]
    {
        assert_problems(&[&two(one, other)], &[expected]);
    }
    let differing = two("Tcp(9), Tcp(1)", "Tcp(9), Udp(1)");
    assert!(House::new().parse(&conf(&[&differing])).is_ok());
}

#[test]
fn one_packet_opens_at_most_sixteen_doors() {
    let doors: Vec<_> =
        (0..17).map(|number| format!("\"d{number}\": (table: \"t\")")).collect();
    let doors = format!("doors: {{\"ssh\": (table: \"t\"), {}}}", doors.join(", "));
    let names = |range: std::ops::Range<u8>| {
        let names: Vec<_> = range.map(|number| format!("\"d{number}\"")).collect();
        names.join(", ")
    };
    let sequences = |one: &str, other: &str| {
        format!(
            "sequences: {{\"a\": (steps: [Tcp(9), Tcp(1), Tcp(5)], opens: [{one}]),\n\
             \"b\": (steps: [Tcp(8), Tcp(2), Tcp(5)], opens: [{other}])}}"
        )
    };
    let text =
        "one packet to 5/tcp would open more than 16 doors, change the last step of a sequence";
    let expected = format!("8:47: {text}");
    assert_problems(&[&doors, &sequences(&names(0..10), &names(10..17))], &[&expected]);
    let fits = conf(&[&doors, &sequences(&names(0..10), &names(10..16))]);
    assert!(House::new().parse(&fits).is_ok());
}
