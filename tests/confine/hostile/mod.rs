//! Promise 5: what the keeper does for an engine in foreign hands. The real
//! daemon runs; its first engine, confined, lies in place of its work.

mod channel;
mod claims;
mod floods;

use std::collections::BTreeSet;
use std::fs;

use crate::net::furnish::edit;
use crate::net::{CLIENT4, Daemon, KNOCKD, Lab, Plan};

/// Leases of all but the administrator.
const MAX_LEASES: usize = 32;
/// Leases of bob.
const BOBS_LEASES: usize = 4;

/// A daemon whose first engine is not its own.
struct Attack {
    lab: Lab,
    daemon: Daemon,
}

impl Attack {
    /// An engine that will do `deed`.
    fn prepare(deed: &str) -> Self {
        let lab = Lab::new();
        let config = Plan { span: "600s", ..Plan::default() }.furnish(&lab);
        for (before, after) in [
            ("ports: [Tcp(22)],", r#"ports: [Tcp(22)], max_open_for: "900s","#),
            (
                r#"Secret("bob.key"),"#,
                &format!(r#"Secret("bob.key"), max_leases: {BOBS_LEASES},"#),
            ),
            (r#"Secret("carol.key"),"#, r#"Secret("carol.key"), not_after: "2020-01-01","#),
            ("users: {", &format!("limits: (max_leases: {MAX_LEASES}),\n    users: {{")),
        ] {
            edit(&config, before, after);
        }
        let mut command = lab.server.command(KNOCKD);
        command
            .env("KNOCKD_ENGINE", env!("CARGO_BIN_EXE_intruder"))
            .env("KNOCKD_HOSTILE", deed);
        command.env("KNOCKD_ENGINE_ONCE", lab.path("hostile"));
        command.args(["-d", "-v", "-f"]).arg(config);
        let daemon = Daemon::spawn(command);
        daemon.ready();
        Self { lab, daemon }
    }

    /// Has it done, and then one of our own serve: the packet that the first
    /// engine took for its sign is the next one's to honour.
    fn done(deed: &str) -> Self {
        let attack = Self::prepare(deed);
        attack.begin();
        attack.daemon.expect("starting another engine: it closed its channel");
        attack.daemon.expect(&format!("door ssh opened for {CLIENT4} by dave"));
        attack
    }

    /// Gives the sign.
    fn begin(&self) {
        self.lab.send(CLIENT4, &self.lab.token("dave", CLIENT4));
    }

    /// Stops the daemon, whose keeper is still the first; returns all that it
    /// said.
    fn end(self) -> Vec<String> {
        let log = self.daemon.stop();
        assert!(!log.iter().any(|line| line.contains("the keeper died")), "{log:#?}");
        log
    }

    /// What stands in the table of a door, without what dave was granted.
    fn table(&self, door: &str) -> BTreeSet<String> {
        let listed = self.lab.set(&format!("knock_{door}_v4"))
            + ","
            + &self.lab.set(&format!("knock_{door}_v6"));
        let entries = listed.split(',').filter(|entry| !["", CLIENT4].contains(entry));
        entries.map(str::to_owned).collect()
    }

    /// The bytes in all files of the daemon.
    fn files(&self) -> u64 {
        let directories =
            ["state", "run"].map(|name| fs::read_dir(self.lab.path(name)).unwrap());
        directories
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    }
}

/// How often the log says that something was refused for `reason`, in the
/// first lines and in the sums.
fn refusals(log: &[String], reason: &str) -> usize {
    let word = format!(" {reason}");
    let of_line = |line: &String| -> usize {
        let is_first = line.contains(" refused, ") || line.contains(" ignored, ");
        if is_first {
            return line.split(", ").nth(1).is_some_and(|found| found == reason).into();
        }
        let sums = line.split(", ").skip(1).filter_map(|sum| sum.strip_suffix(&word));
        sums.filter_map(|sum| sum.parse::<usize>().ok()).sum()
    };
    log.iter().map(of_line).sum()
}

fn hosts(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(ToString::to_string).collect()
}
