//! Start, stop and operation, as rc(8) and an administrator see them.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::getsid;

use crate::net::daemon::Detached;
use crate::net::*;

/// Starts the daemon as rc(8) does.
fn start(lab: &Lab, config: &Path) -> Output {
    let mut command = lab.server.command(KNOCKD);
    command.arg("-f").arg(config).arg("-p").arg(lab.path("pid")).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn both_signals_close_all_doors_and_end_with_success() {
    needs!(root);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let lab = Lab::new();
        let daemon = lab.daemon(&Plan { span: "60s", ..Plan::default() }.furnish(&lab));
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        lab.send(CLIENT6, &lab.token("alice", CLIENT6));
        assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8000"]).status.success());
        for _ in 0..3 {
            daemon.expect(" opened for ");
        }
        assert_eq!(lab.set("knock_ssh_v4"), CLIENT4);
        daemon.signal(signal);
        let lines = daemon.end();
        for set in ["knock_ssh_v4", "knock_ssh_v6", "knock_web_v4"] {
            assert_eq!(lab.set(set), "", "{set}");
        }
        let closed = lines.iter().filter(|line| line.ends_with(", stopped")).count();
        assert_eq!(closed, 3, "{lines:#?}");
    }
}

#[test]
fn a_root_directory_that_the_engine_cannot_have_is_named_by_the_start_and_by_doctor() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan::default().furnish(&lab);
    let run = lab.path("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("empty"), "").unwrap();
    let why = format!(
        "cannot use {} as root directory: not a directory, remove it",
        run.join("empty").display()
    );
    let output = start(&lab, &config);
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains(&format!("cannot start an engine: {why}")), "{said}");
    let mut doctor = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
    let output = doctor.args(["doctor", "-f"]).arg(&config).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("error    empty: {why}\n")), "{said}");
}

#[test]
fn the_command_returns_when_the_daemon_captures_in_the_background() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
    // The output is read to its end: if the daemon kept it open, this would hang.
    let output = start(&lab, &config);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    let daemon = Detached::of(&lab.path("pid"));
    // A token that is sent now is captured.
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    until("an open door", || lab.set("knock_ssh_v4") == CLIENT4);

    assert_eq!(getsid(Some(daemon.0)).unwrap(), daemon.0, "leads a session");
    for descriptor in 0..3 {
        let file = fs::read_link(daemon.proc(&format!("fd/{descriptor}"))).unwrap();
        assert_eq!(file, Path::new("/dev/null"));
    }
    assert_eq!(fs::read_link(daemon.proc("cwd")).unwrap(), Path::new("/"));

    let second = start(&lab, &config);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("is held by a running daemon, stop it first"),
        "{second:?}"
    );
    assert!(daemon.runs());

    kill(daemon.0, Signal::SIGTERM).unwrap();
    until("the end", || !daemon.runs());
    assert_eq!(lab.set("knock_ssh_v4"), "");
    assert!(!lab.path("pid").exists());
}

#[test]
fn a_daemon_in_the_background_logs_to_syslog() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan::default().furnish(&lab);
    // A /dev of its own, with a log that the test reads.
    fs::create_dir(lab.path("dev")).unwrap();
    let syslog = UnixDatagram::bind(lab.path("dev/log")).unwrap();
    syslog.set_read_timeout(Some(PATIENCE)).unwrap();
    fs::write(lab.path("dev/null"), "").unwrap();
    let script =
        r#"mount --bind /dev/null "$1/null" && mount --rbind "$1" /dev && shift && exec "$@""#;
    let mut command = lab.server.command("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(lab.path("dev"));
    command.arg(KNOCKD).arg("-f").arg(&config).arg("-p").arg(lab.path("pid"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let daemon = Detached::of(&lab.path("pid"));
    let expect = |part: &str| {
        let mut bytes = [0; 1024];
        loop {
            let length = syslog.recv(&mut bytes).unwrap();
            let line = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if line.contains(part) {
                return line;
            }
        }
    };
    // Facility daemon, severity notice (RFC 3164, section 4.1.1).
    let line = expect("ready, capturing on 1 interfaces");
    let keeper = format!("knockd[{}]", proc::child(daemon.0, "keeper"));
    assert!(line.starts_with("<29>") && line.contains(&keeper), "{line}");
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    expect("door ssh opened for 192.0.2.100 by bob");
    kill(daemon.0, Signal::SIGTERM).unwrap();
    expect("door ssh closed for 192.0.2.100");
    until("the end", || !daemon.runs());
}

#[test]
fn a_failed_start_prints_the_reason_and_leaves_no_files() {
    needs!(root);
    let lab = Lab::new();
    let interfaces = r#"interfaces: ["eth0", "eth7"], required_interfaces: ["eth7"]"#;
    let config = Plan { interfaces, ..Plan::default() }.furnish(&lab);
    let missing = "knockd: cannot capture on eth7: there is no such interface";
    for options in [&["-d"][..], &[]] {
        let mut command = lab.server.command(KNOCKD);
        let output = command.args(options).arg("-f").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output).trim(), missing);
    }
    let output = start(&lab, &config);
    assert_eq!((output.status.code(), lab.path("pid").exists()), (Some(1), false));

    let broken = lab.write("broken.ron", "(name: 1)");
    let output = start(&lab, &broken);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("broken.ron:1:8: "), "{}", stderr(&output));
}

#[test]
fn the_daemon_waits_for_a_missing_interface_and_captures_when_it_appears() {
    needs!(root);
    let lab = Lab::new();
    let interfaces = r#"interfaces: ["eth0", "eth7"]"#;
    let daemon = lab.daemon(&Plan { interfaces, ..Plan::default() }.furnish(&lab));
    assert_eq!(daemon.count("cannot capture on eth7, waiting for it: there is no such"), 1);
    for _ in 0..2 {
        lab.server.cable("eth7", &lab.client, "eth7");
        daemon.expect("capturing on eth7");
        lab.server.add_address("198.51.100.1", "eth7");
        lab.client.add_address("198.51.100.100", "eth7");
        // The new interface needs a moment to work.
        until("a knock over eth7", || {
            assert!(lab.knock(&["198.51.100.1", "7000", "9000:udp", "8000"]).status.success());
            daemon.count("door web opened for 198.51.100.100") > 0
        });
        daemon.expect("door web closed");
        lab.server.ip(&["link", "delete", "eth7"]);
        daemon.expect("interface eth7 is down or gone, waiting for it");
        // The other interface was not affected.
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened for 192.0.2.100 by bob");
    }
}

/// What knockd-messages(7) says that root needs of its capabilities on Linux.
const CAPABILITIES: [&str; 6] =
    ["cap_kill", "cap_net_admin", "cap_net_raw", "cap_setgid", "cap_setuid", "cap_sys_chroot"];

/// The daemon as root with these capabilities alone, and room for 64 descriptors.
fn confined(lab: &Lab, config: &Path, kept: &[&str], by: &str) -> Command {
    let printed = run("capsh", &["--print"]);
    let bounding = printed.lines().find_map(|line| line.strip_prefix("Bounding set ="));
    let dropped = bounding.unwrap().split(',').filter(|name| !kept.contains(name));
    let drop = format!("--drop={}", dropped.collect::<Vec<_>>().join(","));
    let mut command = lab.server.command("prlimit");
    let script = format!("exec {by} {KNOCKD} -d -f {}", config.display());
    command.args(["--nofile=64:64", "capsh", &drop, "--", "-c", &script]);
    command
}

#[test]
fn a_start_without_a_capability_fails_in_time_and_prints_what_it_cannot_do() {
    needs!(root, tool("capsh"), tool("prlimit"));
    let lab = Lab::new();
    let config = Plan::default().furnish(&lab);
    // To kill is needed only when a process is stuck.
    for missing in CAPABILITIES.into_iter().filter(|name| *name != "cap_kill") {
        let kept: Vec<_> = CAPABILITIES.into_iter().filter(|name| *name != missing).collect();
        let output = confined(&lab, &config, &kept, "timeout 60").output().unwrap();
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{missing}: {error}");
        let reasons = ["Operation not permitted", "cannot capture, run as root, and allow it"];
        assert!(reasons.iter().any(|why| error.contains(why)), "{missing}: {error}");
    }
}

#[test]
fn the_capabilities_of_the_manual_are_enough() {
    needs!(root, tool("capsh"), tool("prlimit"));
    let manual = include_str!("../../man/knockd-messages.7").to_lowercase();
    for name in CAPABILITIES {
        assert!(manual.contains(name), "{name}");
    }
    let lab = Lab::new();
    let config = Plan::default().furnish(&lab);
    let daemon = Daemon::spawn(confined(&lab, &config, &CAPABILITIES, ""));
    daemon.ready();
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    daemon.stop();
}
