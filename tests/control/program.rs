//! knockctl, as people and programs use it.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use knockd::control::request::{ControlRequest, Order};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::{PATIENCE, Stage, directory};

fn knockctl(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_knockctl"));
    command.arg("-s").arg(socket).args(arguments).stdin(Stdio::null());
    command
}

impl Stage {
    /// Runs knockctl, and serves it until it ends.
    pub fn run(&mut self, arguments: &[&str]) -> Output {
        let mut command = knockctl(&self.socket(), arguments);
        let running = thread::spawn(move || command.output().unwrap());
        let end = Instant::now() + PATIENCE;
        while !running.is_finished() {
            self.turn();
            assert!(Instant::now() < end, "{arguments:?} does not end");
        }
        running.join().unwrap()
    }

    #[track_caller]
    pub fn prints(&mut self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    }

    #[track_caller]
    fn complains(&mut self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn doors_and_leases_are_shown() {
    let mut stage = Stage::new();
    (stage.desk.leases, stage.desk.doors) = (2, 1);
    let expected = format!(
        "DOOR   LEASES  TABLE
door0       0  <knock_ssh> in anchor {}

DOOR   ADDRESS                                      LEFT  HOLDER
ssh    10.0.0.0                                      55s  alice
ssh    10.0.0.1                                      55s  alice
",
        "a".repeat(1_000)
    );
    assert_eq!(stage.prints(&["show"]), expected);
}

#[test]
fn without_leases_there_is_no_list_of_them() {
    assert_eq!(Stage::new().prints(&["show"]), "DOOR  LEASES  TABLE\n");
}

#[test]
fn counters_are_shown_one_a_line() {
    let expected = "opened 7\nrefused.stale 2\ncontrol_refused 0\ncontrol_missed 0\n";
    assert_eq!(Stage::new().prints(&["show", "stats"]), expected);
}

#[test]
fn orders_arrive() {
    let mut stage = Stage::new();
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    for words in [
        &["open", "ssh", "192.0.2.7"][..],
        &["extend", "ssh", "192.0.2.7", "90"],
        &["close", "ssh", "192.0.2.7"],
        &["close", "user", "alice"],
        &["close", "all"],
        &["log", "verbose"],
    ] {
        assert_eq!(stage.prints(words), "");
    }
    let door = || String::from("ssh");
    assert_eq!(
        stage.desk.orders,
        [
            Order::Open { door: door(), address, seconds: None },
            Order::Extend { door: door(), address, seconds: 90 },
            Order::CloseLease { door: door(), address },
            Order::CloseUser { name: "alice".into() },
            Order::CloseAll,
            Order::Log { verbose: true },
        ]
    );
    let errors = stage.complains(&["open", "web", "192.0.2.7"]);
    assert_eq!(errors, "knockctl: there is no door web\n");
}

/// Serves until `done`.
fn until(stage: &mut Stage, done: impl Fn(&Stage) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done(stage) {
        stage.turn();
        assert!(Instant::now() < end, "too late");
    }
}

#[test]
fn a_reload_waits_and_prints_every_problem() {
    let mut stage = Stage::new();
    let mut command = knockctl(&stage.socket(), &["reload"]);
    let running = thread::spawn(move || command.output().unwrap());
    until(&mut stage, |stage| !stage.desk.tickets.is_empty());
    let problems = "/etc/knockd.ron:3:9: one\n/etc/knockd.ron:4:1: t\x1bwo";
    let ticket = stage.desk.tickets[0];
    stage.server.answer(ticket, Err(problems.into()), stage.now);
    until(&mut stage, |_| running.is_finished());
    let output = running.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "knockctl: /etc/knockd.ron:3:9: one\n\
                    knockctl: /etc/knockd.ron:4:1: t\\u{1b}wo\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn monitor_prints_each_line_at_once_and_ends_with_the_daemon() {
    let mut stage = Stage::new();
    let mut child = knockctl(&stage.socket(), &["monitor"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(&mut stage, |stage| stage.server.is_monitored());
    let (sender, lines) = mpsc::channel();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        use std::io::BufRead;
        out.lines().try_for_each(|line| sender.send(line.unwrap()))
    });
    for line in ["door ssh opened for 192.0.2.7 by alice, 60s", "a\x07b"] {
        stage.server.publish(line, stage.now);
        stage.settle();
        let printed = lines.recv_timeout(PATIENCE).unwrap();
        assert_eq!(printed, line.replace('\x07', "\\u{7}"));
    }
    drop(stage);
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "knockctl: knockd closed the connection\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut stage = Stage::new();
    stage.desk.leases = 100_000;
    let mut child = knockctl(&stage.socket(), &["show"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        stage.turn();
        assert!(Instant::now() < end);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_stopped_client_is_closed_and_reports_it_later() {
    let mut stage = Stage::new();
    stage.desk.leases = 100_000;
    let child = knockctl(&stage.socket(), &["show"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads its output, so it stops reading the answers.
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
    until(&mut stage, |stage| stage.clients() == 1 && stage.desk.largest_page > 0);
    kill(id, Signal::SIGSTOP).unwrap();
    stage.settle();
    let mut other = stage.connect();
    assert_eq!(stage.ask(&mut other, &ControlRequest::Stats).len(), 5);
    drop(other);
    stage.advance(PATIENCE);
    assert_eq!(stage.clients(), 0);
    kill(id, Signal::SIGCONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.starts_with("knockctl: knockd closed the connection"), "{errors}");
}

#[test]
fn without_a_daemon_the_error_says_to_start_it() {
    let run = directory();
    let socket = run.path().join("knockd.sock");
    for _ in 0..2 {
        let output = knockctl(&socket, &["show"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let expected = format!(
            "knockctl: knockd is not running, start it: cannot connect to {}: ",
            socket.display()
        );
        assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
        // The second time with the socket of a daemon that is gone.
        drop(std::os::unix::net::UnixListener::bind(&socket));
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for line in [&[][..], &["close"], &["open", "Ssh", "192.0.2.7"], &["extend", "ssh", "::1"]]
    {
        let output = knockctl(Path::new("/nowhere"), line).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(text(&output.stderr).starts_with("error: ") || line.is_empty());
    }
}

#[test]
fn the_doctor_asks_the_daemon_and_continues_without_it() {
    let mut stage = Stage::new();
    let missing = stage.run.path().join("knockd.ron");
    let arguments = ["doctor", "-f", missing.to_str().unwrap()];
    let output = stage.run(&arguments);
    let report = text(&output.stdout);
    let of_the_daemon = |report: &str| {
        report
            .lines()
            .find(|line| line.split_ascii_whitespace().nth(1) == Some("daemon:"))
            .map(str::to_owned)
    };
    assert!(of_the_daemon(&report).is_some_and(|line| line.starts_with("ok")), "{report}");
    let output = knockctl(Path::new("/nowhere/knockd.sock"), &arguments).output().unwrap();
    let report = text(&output.stdout);
    let line = of_the_daemon(&report).unwrap_or_default();
    assert!(line.starts_with("error") && line.contains("knockd is not running"), "{report}");
    assert_eq!(output.status.code(), Some(1));
}
