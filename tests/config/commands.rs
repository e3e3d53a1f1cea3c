//! Commands of doors, and the stanza `runner`.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::house::{House, assert_problems, conf};
use knockd::config::RunnerConfig;
use knockd::core::command::{Commands, Filling};

const RUNNER: &str = "runner: (user: \"_knocknotify\")";

fn doors(commands: &str) -> String {
    format!("doors: {{\"ssh\": (table: \"knock_ssh\", commands: ({commands}))}}")
}

#[test]
fn commands_are_read_as_they_are_written() {
    let doors = doors(r#"on_open: ["/bin/opened", "{address}", "$(id) {door}"]"#);
    let config = House::new().parse(&conf(&[&doors, RUNNER])).unwrap();
    let time_limit = Duration::from_secs(10);
    assert_eq!(config.runner, Some(RunnerConfig { user: "_knocknotify".into(), time_limit }));
    let Commands { on_open, on_close } = &config.policy.doors[0].commands;
    let address = "192.0.2.7".parse().unwrap();
    let filling = Filling { address, door: "ssh", user: "alice", seconds: 60 };
    let words = on_open.as_ref().unwrap().fill(&filling);
    assert_eq!(words, ["/bin/opened", "192.0.2.7", "$(id) ssh"]);
    assert_eq!(*on_close, None);
}

#[test]
fn every_error_in_a_command_has_its_place() {
    let doors = doors(r#"on_open: ["opened"], on_close: ["/x", "{door}", "a{name}"]"#);
    assert_problems(
        &[&doors, RUNNER],
        &[
            "4:58: the program must be an absolute path",
            "4:96: braces may hold address, door, user or seconds, nothing else",
        ],
    );
    let doors = self::doors(r#"on_close: []"#);
    let text = "4:58: a command has 1 to 32 words, the program first";
    assert_problems(&[&doors, RUNNER], &[text]);
}

#[test]
fn commands_need_a_user_of_their_own() {
    let doors = doors(r#"on_close: ["/x"]"#);
    assert_problems(
        &[&doors],
        &["4:47: commands need a user to run as, add runner: (user: ..)"],
    );
    let text =
        "7:16: user \"root\" must be 1 to 32 bytes of letters, digits, _ . and -, and not root";
    assert_problems(&[&doors, "runner: (user: \"root\")"], &[text]);
    let text = "7:16: user _knockd is the user of the packet process, name another";
    assert_problems(&[&doors, "runner: (user: \"_knockd\")"], &[text]);
}

#[test]
fn a_time_limit_is_within_its_bounds() {
    let doors = doors(r#"on_close: ["/x"]"#);
    let limit = |text| {
        let runner = format!("runner: (user: \"a\", time_limit: {text:?})");
        House::new().parse(&conf(&[&doors, &runner])).map(|config| config.runner.unwrap())
    };
    assert_eq!(limit("1s").unwrap().time_limit, Duration::from_secs(1));
    assert_eq!(limit("10m").unwrap().time_limit, Duration::from_secs(600));
    for text in ["999ms", "10m1s", ""] {
        assert!(limit(text).is_err(), "{text}");
    }
}

#[test]
fn a_runner_without_commands_is_a_warning() {
    let house = House::new();
    assert_eq!(house.parse(&conf(&[RUNNER])).unwrap().runner, None);
    let warnings = house.warnings(&conf(&[RUNNER]));
    assert_eq!(warnings, ["7:9: no door has commands, remove runner"]);
}
