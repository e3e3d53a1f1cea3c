//! Commands that doors run when they open and close: the real daemon, from the
//! packet to the command.

mod deaths;
mod load;

use std::path::PathBuf;
use std::process::Command;

use crate::net::furnish::{MARK, edit};
use crate::net::{CLIENT4, CLIENT6, Daemon, Lab, Plan};
use crate::scripts::Scripts;

/// A lab whose doors have commands, and the scripts that these run.
struct Stage {
    lab: Lab,
    scripts: Scripts,
    config: PathBuf,
}

impl Stage {
    /// Doors ssh and web are open for `span`; their commands write a line when
    /// they open and close.
    fn new(span: &str) -> Self {
        let scripts = Scripts::new();
        let report = scripts.add("report", "echo $KNOCKD_EVENT \"$@\" >$FIFO");
        Self::with(scripts, span, "10s", &report, &report)
    }

    /// The same with other programs and another time limit.
    fn with(scripts: Scripts, span: &str, limit: &str, on_open: &str, on_close: &str) -> Self {
        let lab = Lab::new();
        let config = Plan { span, sequences: MARK, ..Plan::default() }.furnish(&lab);
        let words = r#""{door} {user}", "{address}", "{seconds}""#;
        let commands = format!(
            r#"commands: (on_open: ["{on_open}", {words}], on_close: ["{on_close}", {words}])"#
        );
        let stage = Self { lab, scripts, config };
        for port in ["ports: [Tcp(22)],", "ports: [Tcp(80)],"] {
            stage.edit(port, &format!("{port} {commands},"));
        }
        stage.edit(
            r#"user: "nobody","#,
            &format!(r#"user: "nobody", runner: (user: "daemon", time_limit: "{limit}"),"#),
        );
        stage.edit("source: Delegate", "source: Delegate, max_leases: 1000");
        stage
    }

    /// Changes the configuration.
    fn edit(&self, before: &str, after: &str) {
        edit(&self.config, before, after);
    }

    fn daemon(&self) -> Daemon {
        self.lab.daemon(&self.config)
    }

    fn line(&self) -> String {
        self.scripts.line()
    }

    fn open(&self, address: &str) {
        self.lab.send(CLIENT4, &self.lab.token("dave", address));
    }

    fn knockctl(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_knockctl"));
        command.arg("-s").arg(self.lab.path("run/knockd.sock")).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn commands_get_the_door_the_user_the_address_and_the_seconds() {
    needs!(root);
    let stage = Stage::new("2s");
    let daemon = stage.daemon();
    stage.lab.send(CLIENT4, &stage.lab.token("bob", CLIENT4));
    assert_eq!(stage.line(), "open ssh bob 192.0.2.100 2");
    assert_eq!(stage.line(), "close ssh bob 192.0.2.100 2");
    stage.lab.send(CLIENT6, &stage.lab.token("carol", CLIENT6));
    assert_eq!(stage.line(), "open ssh carol 2001:db8::100 2");
    assert_eq!(stage.line(), "close ssh carol 2001:db8::100 2");
    stage.lab.mark(&daemon);
    assert_eq!(stage.line(), "open web - 198.18.0.1 2");
    assert_eq!(stage.line(), "close web - 198.18.0.1 2");
    let lines = daemon.stop();
    assert!(!lines.iter().any(|line| line.contains("command")), "{lines:#?}");
}

#[test]
fn an_extended_door_runs_no_command_until_it_closes() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    stage.lab.send(CLIENT4, &stage.lab.token("bob", CLIENT4));
    daemon.expect("door ssh extended");
    stage.knockctl(&["close", "ssh", CLIENT4]);
    let line = stage.line();
    assert!(line.starts_with("close ssh bob 192.0.2.100 "), "{line}");
    daemon.stop();
}

#[test]
fn on_close_runs_after_an_order_a_revocation_and_a_stop() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.knockctl(&["open", "ssh", "192.0.2.9"]);
    assert_eq!(stage.line(), "open ssh - 192.0.2.9 60");
    // Other entries stay, so a deletion is a revocation and not a flush.
    for address in ["192.0.2.10", "192.0.2.11"] {
        stage.open(address);
        assert_eq!(stage.line(), format!("open ssh dave {address} 60"));
    }
    stage.knockctl(&["close", "ssh", "192.0.2.9"]);
    assert!(stage.line().starts_with("close ssh - 192.0.2.9 "));
    stage.lab.server.nft("delete element inet filter knock_ssh_v4 { 192.0.2.10 }");
    assert!(stage.line().starts_with("close ssh dave 192.0.2.10 "));
    daemon.stop();
    assert!(stage.line().starts_with("close ssh dave 192.0.2.11 "));
    // It is open again, with the time that remains.
    let daemon = stage.daemon();
    let line = stage.line();
    let left =
        line.strip_prefix("open ssh dave 192.0.2.11 ").unwrap_or_else(|| panic!("{line}"));
    assert!(left.parse::<u64>().unwrap() < 60, "{line}");
    daemon.stop();
    assert!(stage.line().starts_with("close ssh dave 192.0.2.11 "));
}

#[test]
fn a_foreign_entry_opens_and_closes_once_in_each_run() {
    needs!(root);
    let stage = Stage::new("60s");
    stage.lab.server.nft("add element inet filter knock_ssh_v4 { 192.0.2.9 }");
    for round in ["first", "second"] {
        let daemon = stage.daemon();
        if round == "first" {
            stage.open("192.0.2.9");
        }
        assert!(stage.line().starts_with("open ssh dave 192.0.2.9 "), "{round}");
        daemon.stop();
        assert!(stage.line().starts_with("close ssh dave 192.0.2.9 "), "{round}");
    }
    assert_eq!(crate::net::survival::entries(&stage.lab), ["192.0.2.9"]);
}

#[test]
fn a_reload_that_removes_a_door_runs_its_old_on_close() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    stage.edit(r#""ssh": ("#, r#""mail": ("#);
    stage.edit(r#"doors: ["ssh"]"#, r#"doors: ["mail"]"#);
    stage.knockctl(&["reload"]);
    assert!(stage.line().starts_with("close ssh dave 192.0.2.100 "));
    daemon.stop();
}

#[test]
fn a_reload_changes_commands_but_not_their_user() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    let other = stage.scripts.add("other", "echo other \"$@\" >$FIFO");
    let report = stage.scripts.path("report").display().to_string();
    stage.edit(&report, &other);
    stage.knockctl(&["reload"]);
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "other ssh dave 192.0.2.100 60");
    stage.edit(r#"user: "daemon""#, r#"user: "games""#);
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.expect("a reload cannot change runner, restart knockd");
    daemon.stop();
    assert!(stage.line().starts_with("other ssh dave 192.0.2.100 "));
}

#[test]
fn a_missing_user_keeps_the_daemon_from_starting() {
    needs!(root);
    let stage = Stage::new("60s");
    stage.edit(r#"user: "daemon""#, r#"user: "_nobody_has_this_name""#);
    let mut daemon = stage.lab.start(&stage.config, &[]);
    daemon.expect("no user _nobody_has_this_name, create it with");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(1));
}

#[test]
fn without_commands_there_is_no_runner() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    assert_eq!(daemon.children("runner"), []);
    daemon.stop();
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    assert_eq!(daemon.children("runner").len(), 1);
    daemon.stop();
}

#[test]
fn failed_commands_are_logged() {
    needs!(root);
    let scripts = Scripts::new();
    let fail = scripts.add("fail", "exit 3");
    let stage = Stage::with(scripts, "2s", "10s", &fail, "/nonexistent");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    daemon.expect(&format!("command {fail} for door ssh failed: exit 3"));
    daemon.expect("command /nonexistent for door ssh failed: No such file or directory");
    stage.open(CLIENT4);
    daemon.expect("failed: exit 3");
    // The keeper may end before this one is reported.
    let lines = daemon.stop();
    let last = lines.last().unwrap();
    assert!(
        last.contains("commands that outlived the keeper failed or were killed")
            || last.contains("/nonexistent for door ssh failed: "),
        "{lines:#?}"
    );
}
