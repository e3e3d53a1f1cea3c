//! What doors have run when they open and close: the real daemon, from the
//! packet to the command.

mod deaths;
mod load;

use std::path::PathBuf;
use std::process::Command;

use crate::house::House;
use crate::net::furnish::{MARK, edit};
use crate::net::{CLIENT4, CLIENT6, Daemon, Lab, Plan};

/// A lab whose doors have commands, and what these tell.
struct Stage {
    lab: Lab,
    house: House,
    config: PathBuf,
}

impl Stage {
    /// Doors ssh and web are open for `span`, and tell their opening and
    /// closing by [`House::heard`].
    fn new(span: &str) -> Self {
        let house = House::new();
        let tell = house.script("tell", "echo $KNOCKD_EVENT \"$@\" >$FIFO");
        Self::with(house, span, "10s", &tell, &tell)
    }

    /// The same with these programs and this time limit.
    fn with(house: House, span: &str, limit: &str, on_open: &str, on_close: &str) -> Self {
        let lab = Lab::new();
        let config = Plan { span, sequences: MARK, ..Plan::default() }.furnish(&lab);
        let words = r#""{door} {user}", "{address}", "{seconds}""#;
        let commands = format!(
            r#"commands: (on_open: ["{on_open}", {words}], on_close: ["{on_close}", {words}])"#
        );
        let stage = Self { lab, house, config };
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

    fn heard(&self) -> String {
        self.house.heard()
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
fn a_door_that_opens_and_expires_tells_it_with_its_address_user_and_time() {
    needs!(root);
    let stage = Stage::new("2s");
    let daemon = stage.daemon();
    stage.lab.send(CLIENT4, &stage.lab.token("bob", CLIENT4));
    assert_eq!(stage.heard(), "open ssh bob 192.0.2.100 2");
    assert_eq!(stage.heard(), "close ssh bob 192.0.2.100 2");
    stage.lab.send(CLIENT6, &stage.lab.token("carol", CLIENT6));
    assert_eq!(stage.heard(), "open ssh carol 2001:db8::100 2");
    assert_eq!(stage.heard(), "close ssh carol 2001:db8::100 2");
    stage.lab.mark(&daemon);
    assert_eq!(stage.heard(), "open web - 198.18.0.1 2");
    assert_eq!(stage.heard(), "close web - 198.18.0.1 2");
    let told = daemon.stop();
    assert!(!told.iter().any(|line| line.contains("command")), "{told:#?}");
}

#[test]
fn a_door_that_is_extended_tells_nothing_until_it_closes() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.heard(), "open ssh dave 192.0.2.100 60");
    stage.lab.send(CLIENT4, &stage.lab.token("bob", CLIENT4));
    daemon.expect("door ssh extended");
    stage.knockctl(&["close", "ssh", CLIENT4]);
    let heard = stage.heard();
    assert!(heard.starts_with("close ssh bob 192.0.2.100 "), "{heard}");
    daemon.stop();
}

#[test]
fn an_order_and_a_revocation_and_a_stop_tell_that_the_door_closes() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.knockctl(&["open", "ssh", "192.0.2.9"]);
    assert_eq!(stage.heard(), "open ssh - 192.0.2.9 60");
    // With others in the table it is a revocation, and no flush.
    for address in ["192.0.2.10", "192.0.2.11"] {
        stage.open(address);
        assert_eq!(stage.heard(), format!("open ssh dave {address} 60"));
    }
    stage.knockctl(&["close", "ssh", "192.0.2.9"]);
    assert!(stage.heard().starts_with("close ssh - 192.0.2.9 "));
    stage.lab.server.nft("delete element inet filter knock_ssh_v4 { 192.0.2.10 }");
    assert!(stage.heard().starts_with("close ssh dave 192.0.2.10 "));
    daemon.stop();
    assert!(stage.heard().starts_with("close ssh dave 192.0.2.11 "));
    // It is open again, with the time that remains.
    let daemon = stage.daemon();
    let heard = stage.heard();
    let left =
        heard.strip_prefix("open ssh dave 192.0.2.11 ").unwrap_or_else(|| panic!("{heard}"));
    assert!(left.parse::<u64>().unwrap() < 60, "{heard}");
    daemon.stop();
    assert!(stage.heard().starts_with("close ssh dave 192.0.2.11 "));
}

#[test]
fn an_entry_of_somebody_elses_opens_and_closes_once_for_each_run() {
    needs!(root);
    let stage = Stage::new("60s");
    stage.lab.server.nft("add element inet filter knock_ssh_v4 { 192.0.2.9 }");
    for round in ["first", "second"] {
        let daemon = stage.daemon();
        if round == "first" {
            stage.open("192.0.2.9");
        }
        assert!(stage.heard().starts_with("open ssh dave 192.0.2.9 "), "{round}");
        daemon.stop();
        assert!(stage.heard().starts_with("close ssh dave 192.0.2.9 "), "{round}");
    }
    assert_eq!(crate::net::survival::entries(&stage.lab), ["192.0.2.9"]);
}

#[test]
fn a_reload_that_takes_a_door_away_tells_it_by_the_old_commands() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.heard(), "open ssh dave 192.0.2.100 60");
    stage.edit(r#""ssh": ("#, r#""mail": ("#);
    stage.edit(r#"doors: ["ssh"]"#, r#"doors: ["mail"]"#);
    stage.knockctl(&["reload"]);
    assert!(stage.heard().starts_with("close ssh dave 192.0.2.100 "));
    daemon.stop();
}

#[test]
fn a_reload_changes_commands_but_not_who_runs_them() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    let other = stage.house.script("other", "echo other \"$@\" >$FIFO");
    let tell = stage.house.path("tell").display().to_string();
    stage.edit(&tell, &other);
    stage.knockctl(&["reload"]);
    stage.open(CLIENT4);
    assert_eq!(stage.heard(), "other ssh dave 192.0.2.100 60");
    stage.edit(r#"user: "daemon""#, r#"user: "games""#);
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.expect("a reload cannot change runner, restart knockd");
    daemon.stop();
    assert!(stage.heard().starts_with("other ssh dave 192.0.2.100 "));
}

#[test]
fn a_user_who_is_not_there_keeps_the_daemon_from_starting() {
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
fn what_fails_is_said() {
    needs!(root);
    let house = House::new();
    let fail = house.script("fail", "exit 3");
    let stage = Stage::with(house, "2s", "10s", &fail, "/nonexistent");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    daemon.expect(&format!("command {fail} for door ssh failed: exit 3"));
    daemon.expect("command /nonexistent for door ssh failed: No such file or directory");
    stage.open(CLIENT4);
    daemon.expect("failed: exit 3");
    // The keeper may be gone before it hears of this one.
    let told = daemon.stop();
    let last = told.last().unwrap();
    assert!(
        last.contains("commands that ran on without a keeper failed or were killed")
            || last.contains("/nonexistent for door ssh failed: "),
        "{told:#?}"
    );
}
