//! A new configuration takes the place of the old one, whole or not at all.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::net::furnish::{ahead, named, token};
use crate::net::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A lab with a daemon whose leases last a minute.
fn lab() -> (Lab, PathBuf, Daemon) {
    let lab = Lab::new();
    let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
    let daemon = lab.daemon(&config);
    (lab, config, daemon)
}

/// Changes the configuration, without telling the daemon.
fn edit(config: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(config).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(config, text.replace(from, to)).unwrap();
}

fn reload(daemon: &Daemon) {
    daemon.signal(Signal::SIGHUP);
    daemon.expect("configuration reloaded, ");
}

const BOB: &str = r#""bob": (credential: Secret("bob.key"), doors: ["ssh"]),"#;
const SSH: &str = r#""ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "60s"),"#;

/// Tokens, a hundred a second, of so many users.
const TOKENS: u32 = 500;
const USERS: u32 = 8;

#[test]
fn no_token_is_lost_or_opens_twice_while_configurations_come_and_go() {
    needs!(root);
    let (lab, config, daemon) = lab();
    // Enough users that nobody's budget of proofs is used up.
    let mut users = String::new();
    for number in 0..USERS {
        lab.keygen(&format!("u{number}.key"), &["--secret"]);
        users += &format!(
            r#""u{number}": (credential: Secret("u{number}.key"), doors: ["ssh"],
                source: Delegate, max_leases: 1000),
            "#
        );
    }
    edit(&config, BOB, &users);
    reload(&daemon);
    let access: Vec<_> = (0..USERS).map(|number| lab.access(&format!("u{number}"))).collect();
    let (started, mut reloads) = (Instant::now(), 0);
    for number in 0..TOKENS {
        let due = Duration::from_millis(10) * number;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        if number % 20 == 10 {
            daemon.signal(Signal::SIGHUP);
            reloads += 1;
        }
        let [_, _, high, low] = number.to_be_bytes();
        let address = IpAddr::from([10, 1, high, low]).to_string();
        let access = &access[usize::try_from(number % USERS).unwrap()];
        lab.send(CLIENT4, &token(access, "ssh", named(&address), ahead()));
    }
    let sent = usize::try_from(TOKENS).unwrap();
    until("all of them open", || lab.set("knock_ssh_v4").split(',').count() == sent);
    let told = daemon.stop();
    let count = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("extended") + count("replayed"), 0, "{told:#?}");
    // Signals that come while one is obeyed are one.
    let done = count("configuration reloaded");
    assert!(done > 2 && done <= reloads + 1, "{done} of {reloads}");
}

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

/// A daemon that left its terminal, ended if the test fails.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
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
    let id = fs::read_to_string(lab.path("pid")).unwrap();
    let daemon = Detached(Pid::from_raw(id.trim().parse().unwrap()));
    let ask = |word: &str| {
        let mut command = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
        let output = command.arg("-s").arg(lab.path("run/knockd.sock")).arg(word).output();
        output.unwrap()
    };
    // The next keeper begins where the daemon is by now: in no directory of
    // anybody's.
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.0)).unwrap();
    let keeper = children.split_ascii_whitespace().next().unwrap();
    kill(Pid::from_raw(keeper.parse().unwrap()), Signal::SIGKILL).unwrap();
    until("another keeper", || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.0));
        !children.unwrap().contains(keeper) && ask("show").status.success()
    });
    let told = ask("reload");
    assert!(told.status.success(), "{told:?}");
    kill(daemon.0, Signal::SIGTERM).unwrap();
    until("the end", || !lab.path("pid").exists());
}
