//! Sequences that change with time: who has the secret gets in, once a
//! period, and who saw the knocks does not from the same address.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use crate::house::{House, conf};
use crate::policy::{EPOCH, Parts, SSH, WEB, at, ip, outcome, sequence, syn, tcp};
use knockd::core::claim::{Claim, Ground};
use knockd::core::gate::Gate;
use knockd::core::interest::{self, Packets, Ports};
use knockd::core::reason::Reason;
use knockd::core::replay::SHARE;
use knockd::core::rolling::{PERIOD, PORTS, Rolling, STEPS};
use knockd::core::sequence::{Sequence, SequenceIndex, Steps};
use knockd::core::sighting::Port;
use knockd::core::time::{Monotonic, Now, Wall};
use proptest::prelude::*;
use zeroize::Zeroizing;

const SECRET: [u8; 32] = [0x77; 32];

fn rolling() -> Rolling {
    Rolling::new(Zeroizing::new(SECRET), PORTS, STEPS, PERIOD)
}

fn parts() -> Parts {
    let steps = Steps::Rolling(rolling());
    let front = Sequence { steps, doors: vec![SSH, WEB], ..sequence(&[]) };
    Parts { sequences: vec![sequence(&[tcp(1), tcp(2), tcp(3)]), front], ..Parts::default() }
}

fn gate() -> Gate {
    parts().gate()
}

/// `millis` into a period that begins with the tests' clock.
fn within(millis: u64) -> Now {
    assert_eq!(EPOCH % 60_000, 0);
    at(millis)
}

fn steps_at(now: Now) -> Vec<Port> {
    rolling().steps(rolling().period_at(now.wall))
}

fn client() -> IpAddr {
    ip("192.0.2.7")
}

/// What the last of these knocks comes to.
fn knock(
    gate: &mut Gate,
    source: IpAddr,
    steps: &[Port],
    now: Now,
) -> Result<Vec<Claim>, Reason> {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let mut last = Err(Reason::Idle);
    for step in steps {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        last = outcome(gate.judge(&syn(source, step.number, number), now))
            .map_err(|refusal| refusal.reason);
    }
    last
}

#[test]
fn the_knocks_of_the_period_open_every_door_once_for_each_source() {
    let mut gate = gate();
    let now = within(5_000);
    let steps = steps_at(now);
    let claims = knock(&mut gate, client(), &steps, now).unwrap();
    assert_eq!(claims.iter().map(|claim| claim.door).collect::<Vec<_>>(), [SSH, WEB]);
    for claim in &claims {
        assert_eq!(claim.address, client());
        let period = rolling().period_at(now.wall);
        assert_eq!(claim.ground, Ground::Rolling(SequenceIndex(1), period));
    }
    assert_eq!(knock(&mut gate, client(), &steps, now), Err(Reason::Replayed));
    assert!(knock(&mut gate, ip("2001:db8::7"), &steps, now).is_ok(), "another source");
    let next = within(61_000);
    assert_ne!(steps_at(next), steps);
    assert!(knock(&mut gate, client(), &steps_at(next), next).is_ok(), "another period");
}

#[test]
fn a_period_is_taken_through_the_next_and_no_longer() {
    let steps = steps_at(within(59_000));
    for (millis, expected) in [
        (0, None),
        (59_999, None),
        (60_000, None),
        (119_999, None),
        (120_000, Some(Reason::Idle)),
    ] {
        let judged = knock(&mut gate(), client(), &steps, within(millis));
        assert_eq!(judged.err(), expected, "{millis}");
    }
    let early = steps_at(within(60_000));
    assert_eq!(knock(&mut gate(), client(), &early, within(59_999)), Err(Reason::Idle));
}

#[test]
fn an_attempt_goes_on_across_the_end_of_its_period_but_with_its_own_steps() {
    let steps = steps_at(within(0));
    let mut gate = gate();
    assert_eq!(knock(&mut gate, client(), &steps[..4], within(59_500)), Err(Reason::Step));
    assert!(knock(&mut gate, client(), &steps[4..], within(60_500)).is_ok());
    // Four of one period and the last of another, of every later one.
    for period in 1..6 {
        let mut gate = self::gate();
        let begun = knock(&mut gate, client(), &steps[..4], within(59_500));
        assert_eq!(begun, Err(Reason::Step));
        let now = within(period * 60_000);
        let mixed = knock(&mut gate, client(), &steps_at(now)[4..], now);
        assert!(mixed.is_err(), "{period}: {mixed:?}");
    }
}

#[test]
fn whoever_repeats_a_sequence_from_other_addresses_leaves_room_for_later_ones() {
    let mut gate = gate();
    for period in 0..3 {
        let now = within(period * 60_000);
        let steps = steps_at(now);
        assert!(knock(&mut gate, client(), &steps, now).is_ok(), "period {period}");
        for host in 0..SHARE {
            let forged = ip(&format!("198.51.100.{host}"));
            let judged = knock(&mut gate, forged, &steps, now);
            // One place is the client's.
            let is_taken = period > 0 || host < SHARE / 2 - 1;
            assert!(judged.is_ok() && is_taken || judged == Err(Reason::Full), "{host}");
        }
        assert_eq!(knock(&mut gate, client(), &steps, now), Err(Reason::Replayed));
    }
}

#[test]
fn after_a_loss_it_waits_for_the_next_period() {
    let started = within(10_000);
    let mut gate = Gate::after_loss(parts().policy(), started);
    let later = within(45_000);
    assert_eq!(knock(&mut gate, client(), &steps_at(later), later), Err(Reason::Uncertain));
    let next = within(61_000);
    let steps = steps_at(later);
    assert_eq!(knock(&mut gate, client(), &steps, next), Err(Reason::Uncertain), "overlap");
    assert!(knock(&mut gate, client(), &steps_at(next), next).is_ok());
}

#[test]
fn a_clock_that_steps_back_revives_no_period() {
    let mut gate = gate();
    let now = within(5_000);
    let steps = steps_at(now);
    assert!(knock(&mut gate, client(), &steps, now).is_ok());
    let later = within(600_000);
    assert!(knock(&mut gate, client(), &steps_at(later), later).is_ok());
    for millis in [5_000, 5_001, 35_000, 119_000] {
        let back = Now {
            monotonic: Monotonic::from_nanos(later.monotonic.as_nanos() + millis),
            wall: within(millis).wall,
        };
        let judged = knock(&mut gate, client(), &steps, back);
        assert_eq!(judged.err(), Some(Reason::Uncertain), "{millis}");
    }
}

#[test]
fn every_initial_syn_may_be_a_step() {
    let mut parts = parts();
    for sequence in &mut parts.sequences {
        sequence.strict = false;
    }
    let interests = interest::of(&parts.policy());
    assert!(interests.iter().any(|interest| {
        interest.ports == Ports::Any && interest.packets == Packets::INITIAL_SYN
    }));
}

#[test]
fn another_program_finds_the_same_ports() {
    needs!(tool("python3"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/rolling.py");
    let secret: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
    // A sequence over all blocks, and few ports, so that neighbours meet.
    for (ports, steps, period) in
        [(PORTS, STEPS, 30_000_000_u64), (65_534..=65_535, 32, 7), (1..=3, 32, u64::MAX)]
    {
        let arguments = [
            secret.clone(),
            period.to_string(),
            ports.start().to_string(),
            ports.end().to_string(),
            steps.to_string(),
        ];
        let found = Command::new("python3").arg(script).args(arguments).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let rolling = Rolling::new(Zeroizing::new(SECRET), ports, steps, PERIOD);
        let ours: Vec<_> =
            rolling.steps(period).iter().map(|step| step.number.to_string()).collect();
        assert_eq!(String::from_utf8(found.stdout).unwrap().trim(), ours.join(" "));
    }
}

proptest! {
    #[test]
    fn steps_are_ports_of_the_range_and_never_the_same_twice_in_a_row(
        secret in any::<[u8; 32]>(),
        (first, last) in (1..60_000_u16, 1..5_000_u16).prop_map(|(at, more)| (at, at + more)),
        steps in 1..=32_u8,
        period in any::<u64>(),
    ) {
        let secret = Zeroizing::new(secret);
        let rolling = Rolling::new(secret, first..=last, steps, Duration::from_secs(60));
        let found = rolling.steps(period);
        prop_assert_eq!(found.len(), usize::from(steps));
        prop_assert!(found.iter().all(|step| (first..=last).contains(&step.number)));
        prop_assert!(found.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn no_time_is_out_of_range(secret in any::<[u8; 32]>(), millis in any::<u64>()) {
        let rolling = Rolling::new(Zeroizing::new(secret), PORTS, STEPS, PERIOD);
        let period = rolling.period_at(Wall::from_millis(millis));
        prop_assert!(rolling.begin(period) <= Wall::from_millis(millis));
    }
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let mut house = House::new();
    house.add_key("rolling.key", knockd::keyfile::KeyKind::Secret, 9);
    let changing = |rest: &str| {
        format!(
            "sequences: {{\"s\": (changing: Rolling(secret: \"rolling.key\"{rest}), opens: [\"ssh\"])}}"
        )
    };
    assert!(house.parse(&conf(&[&changing("")])).is_ok());
    for (rest, expected) in [
        (", steps: 2", "7:67: steps is 2, must be 3 to 32"),
        (", steps: 33", "7:67: steps is 33, must be 3 to 32"),
        (", ports: (1, 900)", "7:67: ports must be a range of at least 1000 ports without 0"),
        (", ports: (0, 2000)", "7:67: ports must be a range of at least 1000 ports without 0"),
        (", period: \"9s\"", "7:68: period is \"9s\", must be 10s to 1h, as in \"1m30s\""),
        (", period: \"10500ms\"", "7:68: period must be whole seconds"),
    ] {
        assert_eq!(house.problems(&conf(&[&changing(rest)])), [expected]);
    }
    let both = changing("").replace("opens:", "steps: [Tcp(1)], flags: (set: [Syn]), opens:");
    assert_eq!(
        house.problems(&conf(&[&both])),
        [
            "7:68: steps and changing exclude each other, remove one",
            "7:85: rolling sequences use initial SYNs, remove flags",
        ]
    );
    let long = changing("").replace("opens:", "within: \"2m\", opens:");
    assert_eq!(
        house.problems(&conf(&[&long])),
        ["7:69: within is longer than the period, shorten it"]
    );
    let shared = changing("").replace("rolling.key", "alice.key");
    assert_eq!(
        house.problems(&conf(&[&shared])),
        ["7:45: a gate key, user or sequence already has this secret, create another"]
    );
}

#[cfg(target_os = "linux")]
mod live {
    use crate::net::{CLIENT4, CLIENT6, Lab, Plan, SERVER4, SERVER6, furnish};

    #[test]
    fn the_client_opens_the_door_by_the_secret_alone_and_not_twice_across_a_restart() {
        needs!(root);
        let lab = Lab::new();
        lab.keygen("rolling.key", &["--secret"]);
        let sequences = format!(
            r#"{}
        "rolling": (changing: Rolling(secret: "rolling.key", period: "1h"), opens: ["ssh"]),"#,
            furnish::MARK
        );
        let plan = Plan { sequences: &sequences, ..Plan::default() };
        let config = plan.furnish(&lab);
        let daemon = lab.daemon(&config);
        let secret = lab.path("rolling.key").display().to_string();
        let knock = |server| {
            let line = ["--rolling", &secret, "--period", "1h", "-d", "10", server];
            let sent = lab.knock(&line);
            assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        };
        for (server, client) in [(SERVER4, CLIENT4), (SERVER6, CLIENT6)] {
            knock(server);
            daemon.expect(&format!("door ssh opened for {client} by a sequence, 2s"));
            daemon.expect("door ssh closed");
        }
        knock(SERVER4);
        lab.mark(&daemon);
        assert_eq!(daemon.count("door ssh opened"), 2);
        drop(daemon);
        let daemon = lab.start(&config, &["-v"]);
        daemon.ready();
        knock(SERVER4);
        lab.mark(&daemon);
        assert_eq!(daemon.count("door ssh opened"), 0);
    }
}
