//! Configurations that come and go while tokens come: at a steady pace, which
//! says something only where the daemon keeps up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::net::furnish::{ahead, edit, named, token};
use crate::net::*;

const BOB: &str = r#""bob": (credential: Secret("bob.key"), doors: ["ssh"]),"#;

/// Tokens, a hundred a second, of so many users.
const TOKENS: u32 = 500;
const USERS: u32 = 8;

#[test]
fn no_token_is_lost_or_opens_twice_while_configurations_come_and_go() {
    needs!(root);
    let _alone = crate::alone();
    let lab = Lab::new();
    let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
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
    let daemon = lab.daemon(&config);
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
    let log = daemon.stop();
    let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("extended") + count("replayed"), 0, "{log:#?}");
    // Signals that come while one is handled are one.
    let done = count("configuration reloaded");
    assert!(done > 2 && done <= reloads + 1, "{done} of {reloads}");
}
