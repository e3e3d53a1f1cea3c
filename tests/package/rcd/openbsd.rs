//! OpenBSD's rc.d script.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use knockd::process::Role;

use crate::needs;

use super::stage::{Stage, all, assert_runs, read, source};

const SCRIPT: &str = "rc.d/openbsd/knockd";
const KNOCKD: &str = env!("CARGO_BIN_EXE_knockd");
const INSTALLED: &str = "/usr/local/sbin/knockd";

fn machine() -> Option<Stage> {
    needs::tool("ksh")
        .then(|| Stage::new(SCRIPT, "/etc/rc.d/rc.subr", "tests/package/rcd/openbsd.subr"))
}

/// What `rcctl VERB knockd` says, and whether it succeeds.
fn rcctl(stage: &Stage, verb: &str) -> (bool, String) {
    let flags = format!("-f {}", stage.text("knockd.ron"));
    let mut script = stage.script("ksh");
    let output = script.arg(verb).env("DAEMON", KNOCKD).env("knockd_flags", &flags).output();
    let output = output.unwrap();
    let said = all(&output).replace(KNOCKD, "knockd").replace(&flags, "FLAGS");
    (output.status.success(), said)
}

#[test]
fn the_script_has_no_syntax_error() {
    if needs::tool("ksh") {
        assert_runs(Command::new("ksh").arg("-n").arg(source(SCRIPT)));
    }
}

#[test]
fn the_script_names_the_installed_daemon() {
    assert!(read(SCRIPT).contains(&format!("\ndaemon=\"{INSTALLED}\"\n")));
}

#[test]
fn a_start_checks_the_configuration_and_runs_the_daemon() {
    let Some(stage) = machine() else { return };
    assert_eq!(rcctl(&stage, "start"), (true, "configuration OK\nknockd FLAGS\n".into()));
}

#[test]
fn configtest_is_the_check_of_knockd_with_the_flags() {
    let Some(stage) = machine() else { return };
    assert_eq!(rcctl(&stage, "configtest"), (true, "configuration OK\n".into()));
}

#[test]
fn reload_and_stop_signal_who_has_the_command_line() {
    let Some(stage) = machine() else { return };
    let expected = "configuration OK\npkill -HUP -xf knockd FLAGS\n";
    assert_eq!(rcctl(&stage, "reload"), (true, expected.into()));
    assert_eq!(rcctl(&stage, "stop"), (true, "pkill -TERM -xf knockd FLAGS\n".into()));
}

#[test]
fn with_a_bad_configuration_nothing_is_started_reloaded_or_stopped_for_a_restart() {
    let Some(stage) = machine() else { return };
    stage.configure("(");
    for verb in ["configtest", "start", "reload", "restart"] {
        let (good, said) = rcctl(&stage, verb);
        assert!(!good && said.contains("knockd.ron:1:"), "{verb}: {said}");
        assert!(said.contains("logged: -p daemon.err -t knockd -- "), "{verb}: {said}");
        assert!(!said.contains("pkill") && !said.contains("FLAGS\n"), "{verb}: {said}");
    }
}

#[test]
fn without_a_configuration_the_log_says_what_to_do() {
    let Some(stage) = machine() else { return };
    std::fs::remove_file(stage.text("knockd.ron")).unwrap();
    let (good, said) = rcctl(&stage, "start");
    assert!(!good && !said.contains("FLAGS\n"), "{said}");
    let (_, logged) = said.split_once("logged: ").unwrap();
    assert!(logged.contains("create it with knockctl setup FLAGS: "), "{said}");
}

/// A process under a name of its own; ends when dropped.
struct Named(Child);

impl Named {
    fn new(mut command: Command, name: &str) -> Self {
        command.arg0(name).stdin(Stdio::piped()).stdout(Stdio::null());
        // Returns when the program runs, name and all.
        Self(command.spawn().unwrap())
    }

    /// A process that only has a name, as keeper and engine do.
    fn bare(name: &str) -> Self {
        Self::new(Command::new("cat"), name)
    }

    /// A process with the command line `knockd -f FILE`.
    fn with_file(file: &PathBuf) -> Self {
        let mut tail = Command::new("tail");
        tail.arg("-f").arg(file);
        Self::new(tail, INSTALLED)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Which of this process's children match, as rc.subr looks for them.
fn matches(pexp: &str) -> Vec<u32> {
    let own = std::process::id().to_string();
    let output = Command::new("pgrep").args(["-P", &own, "-xf", pexp]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|it| it.parse().unwrap()).collect()
}

/// The `pexp` that the script ends up with, given the flags of rc.conf.local.
fn pexp(stage: &Stage, flags: &str) -> String {
    let said = assert_runs(stage.script("ksh").arg("check").env("knockd_flags", flags));
    said.trim_end().strip_prefix("pgrep -xf ").unwrap().to_owned()
}

#[test]
fn pexp_matches_the_parent_alone() {
    let Some(stage) = machine() else { return };
    needs!(tool("pgrep"));
    let file = stage.path("other.ron");
    fs::write(&file, "").unwrap();
    let _keeper = Named::bare(Role::Keeper.name());
    let _engine = Named::bare(Role::Engine.name());
    let plain = Named::bare(INSTALLED);
    let flagged = Named::with_file(&file);
    assert_eq!(matches(&pexp(&stage, "")), [plain.0.id()]);
    assert_eq!(matches(&pexp(&stage, &format!("-f {}", file.display()))), [flagged.0.id()]);
}
