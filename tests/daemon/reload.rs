//! A new configuration takes the place of the old one, whole or not at all.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::modes;
use crate::net::daemon::Detached;
use crate::net::furnish::edit;
use crate::net::survival::assert_remaining;
use crate::net::*;
use nix::sys::signal::{Signal, kill};

/// A lab with a daemon whose leases last a minute.
fn lab() -> (Lab, PathBuf, Daemon) {
    let lab = Lab::new();
    let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
    let daemon = lab.daemon(&config);
    (lab, config, daemon)
}

fn reload(daemon: &Daemon) {
    daemon.signal(Signal::SIGHUP);
    daemon.expect("configuration reloaded, ");
}

const BOB: &str = r#""bob": (credential: Secret("bob.key"), doors: ["ssh"]),"#;
const SSH: &str = r#""ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "60s"),"#;

#[test]
fn a_broken_configuration_changes_nothing_and_says_where_it_is_broken() {
    needs!(root);
    let (lab, config, daemon) = lab();
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    edit(&config, BOB, r#""bob": (credential: Secret("nobody.key"), doors: ["shh"]),"#);
    daemon.signal(Signal::SIGHUP);
    let path = config.display();
    daemon.expect(&format!("not reloaded, the old one stays: {path}:"));
    assert_eq!(lab.set("knock_ssh_v4"), CLIENT4);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh extended for 192.0.2.100 by bob");
    // A keeper that takes over goes on with what was in force.
    daemon.kill("keeper");
    daemon.expect("door ssh open again");
    daemon.expect("ready, ");
    lab.send(CLIENT6, &lab.token("bob", CLIENT6));
    daemon.expect("door ssh opened for 2001:db8::100 by bob");
    daemon.stop();
}

#[test]
fn a_configuration_that_is_not_ours_changes_nothing_and_holds_nothing_up() {
    needs!(root);
    let (lab, config, daemon) = lab();
    let refused = |daemon: &Daemon, why: &str| {
        daemon.signal(Signal::SIGHUP);
        let path = config.display();
        daemon.expect(&format!("not reloaded, the old one stays: configuration {path} {why}"));
    };
    modes::set_mode(&config, 0o666);
    refused(&daemon, "is open to others, mode 0666");
    let aside = config.with_extension("aside");
    fs::rename(&config, &aside).unwrap();
    nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRUSR).unwrap();
    refused(&daemon, "is not a regular file");
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    fs::rename(&aside, &config).unwrap();
    modes::set_mode(&config, 0o600);
    reload(&daemon);
    daemon.stop();
}

#[test]
fn what_others_hold_open_takes_a_restart() {
    needs!(root);
    let (_lab, config, daemon) = lab();
    for (from, to, field) in [
        (r#"Nft(table: "filter")"#, r#"Nft(table: "other")"#, "firewall"),
        ("/run\"),", "/run2\"),", "directories"),
    ] {
        edit(&config, from, to);
        daemon.signal(Signal::SIGHUP);
        daemon.expect(&format!("a reload cannot change {field}, restart knockd"));
        edit(&config, to, from);
    }
    reload(&daemon);
    daemon.stop();
}

#[test]
fn leases_end_with_their_door_or_user_unless_they_are_to_be_kept() {
    needs!(root);
    for keep in [false, true] {
        let (lab, config, daemon) = lab();
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened");
        assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8000"]).status.success());
        daemon.expect("door web opened");
        edit(&config, BOB, "");
        edit(&config, r#"opens: ["web"]"#, r#"opens: ["ssh"]"#);
        edit(&config, r#""web": (table: "knock_web", ports: [Tcp(80)], open_for: "60s"),"#, "");
        if keep {
            edit(&config, "    firewall:", "    on_remove: Keep,\n    firewall:");
        }
        reload(&daemon);
        if keep {
            assert_eq!(lab.set("knock_ssh_v4"), CLIENT4);
            assert_eq!(lab.set("knock_web_v4"), CLIENT4);
        } else {
            for door in ["ssh", "web"] {
                let line = format!("door {door} closed for 192.0.2.100 after 0s, removed");
                assert_eq!(daemon.count(&line), 1, "{door}");
            }
            assert_eq!(lab.set("knock_ssh_v4"), "");
            assert_eq!(lab.set("knock_web_v4"), "");
        }
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        lab.send(CLIENT4, &lab.token("carol", CLIENT4));
        daemon.expect("for 192.0.2.100 by carol");
        assert_eq!(daemon.count("by bob"), 1);
        daemon.stop();
        assert_eq!(lab.set("knock_web_v4"), "");
    }
}

#[test]
fn a_start_keeps_or_closes_what_a_removed_door_left_as_a_reload_does() {
    needs!(root);
    for keep in [false, true] {
        let lab = Lab::new();
        let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
        if keep {
            edit(&config, "    firewall:", "    on_remove: Keep,\n    firewall:");
        }
        let daemon = lab.daemon(&config);
        assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8000"]).status.success());
        daemon.expect("door web opened");
        let opened = Instant::now();
        daemon.stop();
        edit(&config, r#"opens: ["web"]"#, r#"opens: ["ssh"]"#);
        edit(&config, r#""web": (table: "knock_web", ports: [Tcp(80)], open_for: "60s"),"#, "");
        let daemon = lab.start(&config, &[]);
        if keep {
            let (_, line) =
                daemon.expect("door web open again for 192.0.2.100 by a sequence, ");
            assert_remaining(&line, opened);
            daemon.ready();
            assert_eq!(lab.set("knock_web_v4"), CLIENT4);
            // So does a keeper that takes over.
            daemon.kill("keeper");
            daemon.expect("door web open again for 192.0.2.100 by a sequence, ");
        } else {
            daemon.ready();
            assert_eq!(daemon.count("open again"), 0);
        }
        daemon.stop();
        assert_eq!(lab.set("knock_web_v4"), "");
    }
}

#[test]
fn a_door_that_gets_another_table_takes_its_entries_along() {
    needs!(root);
    let (lab, config, daemon) = lab();
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    edit(&config, SSH, &SSH.replace("knock_ssh", "knock_web").replace("60s", "10s"));
    reload(&daemon);
    assert_eq!(
        (lab.set("knock_ssh_v4"), lab.set("knock_web_v4")),
        (String::new(), CLIENT4.into())
    );
    // It is still known to the parent, wherever it went.
    daemon.kill("keeper");
    daemon.expect("the keeper died");
    daemon.expect("door ssh open again");
    daemon.stop();
    assert_eq!(lab.set("knock_web_v4"), "");
}

#[test]
fn new_ports_and_keys_count_at_once_and_old_ones_no_more() {
    needs!(root);
    let (lab, config, daemon) = lab();
    let old = lab.token("bob", CLIENT4);
    let newer = lab.path("newer.key");
    lab.keygen("newer.key", &["--gate"]);
    edit(&config, r#"["gate.key"]"#, r#"["newer.key"]"#);
    edit(&config, "Tcp(8000)", "Tcp(8001)");
    reload(&daemon);
    lab.send(CLIENT4, &old);
    fs::copy(&newer, lab.path("gate.key")).unwrap();
    until("the new engine", || {
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.count("door ssh opened for 192.0.2.100 by bob") == 1
    });
    assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8000"]).status.success());
    assert!(lab.knock(&["-4", SERVER4, "7000", "9000:udp", "8001"]).status.success());
    daemon.expect("door web opened");
    assert_eq!(daemon.count("door web opened"), 1);
    daemon.stop();
}

#[test]
fn a_configuration_that_was_named_from_its_directory_is_found_again() {
    needs!(root);
    let lab = Lab::new();
    Plan::default().furnish(&lab);
    let mut command = lab.server.command(KNOCKD);
    command.current_dir(lab.path("")).args(["-f", "knockd.ron", "-p", "pid"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let daemon = Detached::of(&lab.path("pid"));
    let ask = |word: &str| {
        let mut command = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
        let output = command.arg("-s").arg(lab.path("run/knockd.sock")).arg(word).output();
        output.unwrap()
    };
    // The next keeper begins where the daemon is by now: in no directory of
    // anybody's.
    let keeper = proc::child(daemon.0, "keeper");
    kill(keeper, Signal::SIGKILL).unwrap();
    until("another keeper", || {
        let keepers = proc::children(daemon.0, "keeper");
        !keepers.is_empty() && !keepers.contains(&keeper) && ask("show").status.success()
    });
    let reloaded = ask("reload");
    assert!(reloaded.status.success(), "{reloaded:?}");
    kill(daemon.0, Signal::SIGTERM).unwrap();
    until("the end", || !lab.path("pid").exists());
}
