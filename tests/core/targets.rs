//! A door may say which of our addresses packets for it must go to.

use std::net::IpAddr;

use crate::house::{House, conf};
use crate::policy::{
    Draft, Key, Parts, SPA_PORT, at, datagram, door, ip, outcome, sequence, syn, tcp,
};
use knockd::core::door::Door;
use knockd::core::gate::Gate;
use knockd::core::reason::Reason;
use knockd::core::sequence::Sequence;
use knockd::core::sighting::Sighting;

const PUBLIC: &str = "198.51.100.1";
const HIDDEN: &str = "198.51.100.2";

fn gate() -> Gate {
    let targets = vec![ip(HIDDEN), ip("2001:db8::2")];
    let ssh = Door { targets: targets.clone(), ..door("ssh") };
    let knocks = Sequence { targets, ..sequence(&[tcp(7_000), tcp(9_000), tcp(8_000)]) };
    Parts { doors: vec![ssh, door("web")], sequences: vec![knocks], ..Parts::default() }.gate()
}

fn to<'a>(destination: &str, sighting: Sighting<'a>) -> Sighting<'a> {
    Sighting { destination: ip(destination), ..sighting }
}

fn client() -> IpAddr {
    ip("192.0.2.7")
}

#[test]
fn a_token_opens_the_door_from_its_target_alone() {
    let token = Draft::new(&Key::alice()).bytes();
    for (destination, refused) in [
        (PUBLIC, Some(Reason::Target)),
        ("2001:db8::1", Some(Reason::Target)),
        (HIDDEN, None),
        ("::ffff:198.51.100.2", None),
        ("2001:db8::2", None),
    ] {
        let judged =
            gate().judge(&to(destination, datagram(client(), SPA_PORT, &token)), at(0));
        assert_eq!(outcome(judged).err().map(|refusal| refusal.reason), refused);
    }
}

#[test]
fn a_token_that_went_elsewhere_is_not_used_up() {
    let token = Draft::new(&Key::alice()).bytes();
    let mut gate = gate();
    let astray = gate.judge(&to(PUBLIC, datagram(client(), SPA_PORT, &token)), at(0));
    assert_eq!(outcome(astray).unwrap_err().reason, Reason::Target);
    let there = gate.judge(&to(HIDDEN, datagram(client(), SPA_PORT, &token)), at(1));
    assert!(outcome(there).is_ok());
}

#[test]
fn knocks_at_other_addresses_neither_advance_nor_end_an_attempt() {
    let mut gate = gate();
    let mut knock = |destination, port, number| {
        outcome(gate.judge(&to(destination, syn(client(), port, number)), at(number.into())))
            .map_err(|refusal| refusal.reason)
    };
    for (number, port) in (0..).zip([7_000, 9_000, 8_000]) {
        assert_eq!(knock(PUBLIC, port, number), Err(Reason::Idle));
    }
    assert_eq!(knock(HIDDEN, 7_000, 10), Err(Reason::Step));
    assert_eq!(knock(HIDDEN, 9_000, 11), Err(Reason::Step));
    assert_eq!(knock(PUBLIC, 22, 12), Err(Reason::Idle));
    assert_eq!(knock(HIDDEN, 8_000, 13).unwrap().len(), 1);
}

#[test]
fn targets_are_addresses_of_hosts_and_the_same_for_all_doors_of_a_sequence() {
    for (targets, expected) in [
        ("\"gw1\"", "4:47: target \"gw1\" is not the address of a host, use one of this host"),
        (
            "\"224.0.0.1\"",
            "4:47: target \"224.0.0.1\" is not the address of a host, use one of this host",
        ),
        ("\"192.0.2.1\", \"::ffff:192.0.2.1\"", "4:60: target 192.0.2.1 is named twice"),
    ] {
        let doors = format!("doors: {{\"ssh\": (table: \"knock_ssh\", targets: [{targets}])}}");
        assert_eq!(House::new().problems(&conf(&[&doors])), [expected]);
    }
    let doors =
        "doors: {\"ssh\": (table: \"a\", targets: [\"192.0.2.1\"]), \"web\": (table: \"b\")}";
    let sequences =
        "sequences: {\"s\": (steps: [Tcp(7), Tcp(1), Tcp(9)], opens: [\"ssh\", \"web\"])}";
    assert_eq!(
        House::new().problems(&conf(&[doors, sequences])),
        ["7:59: doors ssh and web have different targets, write a sequence for each"]
    );
    let many: Vec<_> = (0..17).map(|number| format!("\"192.0.2.{}\"", number + 1)).collect();
    let doors =
        format!("doors: {{\"ssh\": (table: \"knock_ssh\", targets: [{}])}}", many.join(", "));
    assert_eq!(
        House::new().problems(&conf(&[&doors])),
        ["4:46: more than 16 targets, remove some"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_with_two_addresses_opens_by_one_of_them() {
    use crate::net::{CLIENT4, Lab, Plan, SERVER4, furnish};

    needs!(root);
    let lab = Lab::new();
    lab.server.add_address("192.0.2.9", "eth0");
    let doors = r#"
        "back": (table: "knock_web", open_for: "2s", targets: ["192.0.2.9"]),"#;
    let sequences = format!(
        r#"{}
        "rear": (steps: [Tcp(7001), Udp(9001), Tcp(8001)], opens: ["back"]),"#,
        furnish::MARK
    );
    let plan = Plan { doors, sequences: &sequences, ..Plan::default() };
    let daemon = lab.daemon(&plan.furnish(&lab));
    assert!(lab.knock(&["-d", "20", SERVER4, "7001", "9001:udp", "8001"]).status.success());
    lab.mark(&daemon);
    assert_eq!(daemon.count("door back opened"), 0);
    assert!(lab.knock(&["-d", "20", "192.0.2.9", "7001", "9001:udp", "8001"]).status.success());
    daemon.expect(&format!("door back opened for {CLIENT4} by a sequence, 2s"));
}
