//! FreeBSD's rc.d script.
#![forbid(unsafe_code)]

use std::fs;

use super::stage::{Stage, all, assert_runs, read, source};

const SCRIPT: &str = "rc.d/freebsd/knockd";
const KNOCKD: &str = env!("CARGO_BIN_EXE_knockd");

/// A machine where knockd is enabled, in foreign places.
fn machine() -> Stage {
    let stage = Stage::new(SCRIPT, "/etc/rc.subr", "tests/package/rcd/freebsd.subr");
    let settings = format!(
        "knockd_enable=YES\nknockd_program={KNOCKD}\nknockd_config={}\n",
        config(&stage)
    );
    fs::write(stage.path("rc.conf"), settings).unwrap();
    // The process of the pid file is never signalled, only named.
    let script = fs::read_to_string(stage.path("knockd")).unwrap();
    let place = format!("pidfile={}", stage.text("knockd.pid"));
    let moved = script.replace("pidfile=/var/run/knockd.pid", &place);
    assert_ne!(script, moved);
    fs::write(stage.path("knockd"), moved).unwrap();
    fs::write(stage.path("knockd.pid"), "4711\n").unwrap();
    stage
}

fn config(stage: &Stage) -> String {
    stage.text("knockd.ron")
}

/// What `service knockd VERB` says, and whether it succeeds.
fn service(stage: &Stage, verb: &str) -> (bool, String) {
    let output = stage.script("sh").arg(verb).output().unwrap();
    (output.status.success(), all(&output).replace(KNOCKD, "knockd"))
}

#[test]
fn the_script_has_no_syntax_error() {
    assert_runs(std::process::Command::new("sh").arg("-n").arg(source(SCRIPT)));
}

#[test]
fn the_script_is_ordered_after_pf_and_stopped_at_shutdown() {
    let script = read(SCRIPT);
    for line in [
        "# PROVIDE: knockd",
        "# REQUIRE: NETWORKING pf FILESYSTEMS syslogd",
        "# KEYWORD: shutdown nojailvnet",
    ] {
        assert!(script.lines().any(|it| it == line), "{line}");
    }
}

#[test]
fn a_start_loads_pf_and_names_pid_file_and_configuration() {
    let stage = machine();
    let expected =
        format!("kldload pf\nknockd -p {} -f {}\n", stage.text("knockd.pid"), config(&stage));
    assert_eq!(service(&stage, "start"), (true, expected));
}

#[test]
fn a_start_passes_the_flags_of_rc_conf() {
    let stage = machine();
    let settings = fs::read_to_string(stage.path("rc.conf")).unwrap();
    fs::write(stage.path("rc.conf"), settings + "knockd_flags=-v\n").unwrap();
    assert!(service(&stage, "start").1.contains("\nknockd -v -p "));
}

#[test]
fn a_machine_that_does_not_enable_knockd_does_not_start_it() {
    let stage = machine();
    fs::write(stage.path("rc.conf"), "").unwrap();
    assert_eq!(service(&stage, "start"), (false, "warning: not enabled\n".into()));
}

#[test]
fn a_start_without_a_configuration_says_how_to_make_one() {
    let stage = machine();
    stage.remove_configuration();
    let expected = format!(
        "warning: cannot read {0}, create it with: knockctl setup -f {0}\n",
        config(&stage)
    );
    assert_eq!(service(&stage, "start"), (false, expected));
}

#[test]
fn configtest_is_the_check_of_knockd() {
    let stage = machine();
    assert_eq!(service(&stage, "configtest"), (true, "configuration OK\n".into()));
    stage.configure("(");
    let (good, said) = service(&stage, "configtest");
    assert!(!good && said.contains("knockd.ron:1:"), "{said}");
}

#[test]
fn reload_and_stop_signal_the_process_of_the_pid_file() {
    let stage = machine();
    let (good, said) = service(&stage, "reload");
    assert!(good && said.contains("kill -HUP 4711\n"), "{said}");
    assert_eq!(service(&stage, "stop"), (true, "kill -TERM 4711\n".into()));
}

#[test]
fn with_a_bad_configuration_nothing_is_reloaded_or_stopped_for_a_restart() {
    let stage = machine();
    stage.configure("(");
    for verb in ["reload", "restart"] {
        let (good, said) = service(&stage, verb);
        assert!(!good && said.contains("knockd.ron:1:"), "{verb}: {said}");
        assert!(!said.contains("kill"), "{verb}: {said}");
    }
    assert_eq!(service(&stage, "stop"), (true, "kill -TERM 4711\n".into()));
}
