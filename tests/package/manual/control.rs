//! What knockctl knows is in its manual, and nothing else.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use knockd::control::server;
use knockd::knockctl::arguments::DEFAULT_SOCKET;
use knockd::knockctl::connection;
use knockd::knockctl::metrics;

use super::KNOCKCTL;
use super::coverage::{
    documented_flags, first_words, fixed_texts, help, is_telling, items, offered_flags, trim,
    unbroken,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_knockctl");

/// What its help lists as commands.
fn commands() -> BTreeSet<String> {
    let text = help(PROGRAM, &[]);
    let (_, list) = text.split_once("\nCommands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_ascii_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_flag_is_in_the_manual_and_no_other() {
    let mut offered = offered_flags(&help(PROGRAM, &[]));
    for command in commands() {
        offered.extend(offered_flags(&help(PROGRAM, &[&command])));
    }
    assert!(offered.contains("-j"), "the help is read as it is printed");
    assert_eq!(documented_flags(KNOCKCTL), offered);
}

#[test]
fn every_command_is_in_the_manual_and_no_other() {
    let documented: BTreeSet<_> =
        first_words(KNOCKCTL, "Cm").into_iter().map(str::to_owned).collect();
    assert_eq!(documented, commands());
}

#[test]
fn every_word_of_a_command_is_in_the_manual() {
    let described = items(KNOCKCTL, "Cm").join(" ");
    let words: BTreeSet<_> = described.split_ascii_whitespace().collect();
    for (command, arguments) in [
        ("show", &["stats"][..]),
        ("open", &["door", "address", "time"]),
        ("extend", &["door", "address", "time"]),
        ("close", &["door", "address", "user", "name", "all"]),
        ("log", &["brief", "verbose"]),
        ("doctor", &["file"]),
        ("import", &["knockd", "file"]),
    ] {
        let text = help(PROGRAM, &[command]).to_lowercase();
        for argument in arguments {
            assert!(text.contains(argument), "{command} {argument}");
            assert!(words.contains(argument), "{command} {argument}");
        }
    }
}

#[test]
fn every_counter_is_in_the_manual_and_no_other() {
    let (_, counters) = KNOCKCTL.split_once(".Ss Counters").unwrap();
    let (counters, _) = counters.split_once("\n.S").unwrap();
    let documented: Vec<_> = first_words(counters, "Sy");
    let known = metrics::METRICS.iter().map(|metric| metric.stat);
    let known: Vec<_> = known.chain([metrics::LATENCY, metrics::LATENCY_SUM]).collect();
    assert_eq!(documented, known);
    for metric in metrics::METRICS {
        assert!(
            KNOCKCTL.replace('\n', " ").contains(metric.help.trim_end_matches(", by reason."))
        );
    }
}

#[test]
fn every_error_is_in_the_manual_and_no_other() {
    let sources = [
        include_str!("../../../src/knockctl/connection.rs"),
        include_str!("../../../src/knockctl/mod.rs"),
        include_str!("../../../src/control/server/mod.rs"),
        include_str!("../../../src/control/record.rs"),
    ]
    .map(unbroken);
    let (_, listed) = KNOCKCTL.split_once(".Sh DIAGNOSTICS").unwrap();
    let (listed, _) = listed.split_once(".Sh SEE ALSO").unwrap();
    let texts = fixed_texts(listed);
    assert!(texts.len() > 10, "the manual is read as it is written");
    for text in texts {
        // Numbers stand there as they are.
        let is_said = |source: &String| {
            let limit = connection::PATIENCE.as_secs().to_string();
            source.contains(&text) || source.contains(&text.replace(&limit, "{}"))
        };
        assert!(sources.iter().any(is_said), "not said: {text}");
    }
    let flat = listed.replace(" No ", " ").replace(" Ar ", " ");
    let own = &sources[0];
    let literals = own.split('"').skip(1).step_by(2);
    let pieces = literals.flat_map(|literal| literal.split(['{', '}']).step_by(2));
    for text in pieces.map(trim).filter(|text| is_telling(text)) {
        let is_rare = ["cannot set a timeout"].contains(&text);
        assert!(is_rare || flat.contains(text), "not documented: {text}");
    }
}

#[test]
fn the_limits_are_those_of_the_server() {
    let text = KNOCKCTL.replace('\n', " ");
    for limit in [
        format!("serves {} connections at once", server::MAX_CLIENTS),
        format!("of which {} are not root's", server::MAX_OTHERS),
        format!("up to {} kilobytes for each", server::MAX_OUTPUT >> 10),
        format!("for {} seconds is closed", server::PATIENCE.as_secs()),
        format!("was not read within {} seconds", server::PATIENCE.as_secs()),
        format!("within {} s", connection::PATIENCE.as_secs()),
        format!(".Pa {DEFAULT_SOCKET} ."),
    ] {
        assert!(text.contains(&limit), "knockctl(8) does not say: {limit}");
    }
}
