//! Sets of nftables that are missing, that go and come while doors are open,
//! and that hold what is not ours.

use crate::net::*;

/// With a door whose sets nobody has made.
fn plan() -> Plan<'static> {
    Plan {
        doors: r#"
        "late": (table: "knock_late", open_for: "60s"),"#,
        sequences: r#"
        "late": (steps: [Udp(10)], opens: ["late"], weak: Allowed, strict: false),"#,
        ..Plan::default()
    }
}

fn knock_late(lab: &Lab) {
    assert!(lab.knock(&[SERVER4, "10:udp"]).status.success());
}

#[test]
fn a_missing_set_is_said_with_what_to_do_and_waited_for() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&plan().furnish(&lab));
    for _ in 0..2 {
        knock_late(&lab);
        daemon.expect("door late not opened for 192.0.2.100 by a sequence, failed");
    }
    // The other doors do not suffer.
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    let complaint = "table <knock_late> cannot be used, its doors cannot open: there is no set";
    assert_eq!(daemon.count(complaint), 1);
    let lines = daemon.stop();
    let line = lines.iter().find(|line| line.contains(complaint)).unwrap();
    let advice = line.split_once("make with: nft '").unwrap().1.split_once('\'').unwrap().0;
    let daemon = lab.daemon(&lab.path("knockd.ron"));
    // Half of it is not enough: addresses of one family would be refused.
    lab.server.nft("add set inet filter knock_late_v4 { type ipv4_addr; }");
    lab.server.nft(advice);
    daemon.expect("table <knock_late> can be used again, 0 entries put back");
    knock_late(&lab);
    daemon.expect("door late opened for 192.0.2.100");
    assert_eq!(lab.set("knock_late_v4"), CLIENT4);
    daemon.stop();
    assert_eq!(lab.set("knock_late_v4"), "");
}

#[test]
fn a_set_that_goes_while_a_door_is_open_is_said_and_gets_its_entries_back() {
    needs!(root);
    let lab = Lab::new();
    let sets = "add set inet filter knock_late_v4 { type ipv4_addr; };
        add set inet filter knock_late_v6 { type ipv6_addr; }";
    lab.server.nft(sets);
    let daemon = lab.daemon(&plan().furnish(&lab));
    knock_late(&lab);
    daemon.expect("door late opened");
    lab.server.nft("delete set inet filter knock_late_v4");
    daemon.expect("table <knock_late> cannot be used, its doors cannot open");
    knock_late(&lab);
    lab.server.nft(sets);
    daemon.expect("table <knock_late> can be used again, 1 entries put back");
    assert_eq!(lab.set("knock_late_v4"), CLIENT4);
    assert_eq!(daemon.count("cannot be used"), 1);
    // And one that is gone at the end holds nothing up.
    lab.server.nft("delete set inet filter knock_late_v4");
    daemon.stop();
}

#[test]
fn a_flushed_set_disturbs_neither_the_end_of_a_lease_nor_the_next_one() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&plan().furnish(&lab));
    for _ in 0..2 {
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened for 192.0.2.100 by bob");
        assert_eq!(lab.set("knock_ssh_v4"), CLIENT4);
        lab.server.nft("flush set inet filter knock_ssh_v4");
        daemon.expect("door ssh closed for 192.0.2.100 after 2");
    }
    assert_eq!(daemon.count("cannot"), 1, "{:#?}", daemon.stop());
}

#[test]
fn an_address_that_stood_in_the_set_before_stays_there() {
    needs!(root);
    let lab = Lab::new();
    lab.server.nft("add element inet filter knock_ssh_v4 { 192.0.2.100, 192.0.2.7 }");
    let daemon = lab.daemon(&plan().furnish(&lab));
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("192.0.2.100 was already in <knock_ssh>, leaving it");
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    daemon.expect("door ssh closed for 192.0.2.100 after 2");
    let own = ["192.0.2.7,192.0.2.100", "192.0.2.100,192.0.2.7"];
    assert!(own.contains(&&*lab.set("knock_ssh_v4")), "{}", lab.set("knock_ssh_v4"));
    lab.send(CLIENT4, &lab.token("alice", CLIENT4));
    daemon.expect("door ssh opened for 192.0.2.100 by alice");
    daemon.stop();
    assert!(own.contains(&&*lab.set("knock_ssh_v4")), "{}", lab.set("knock_ssh_v4"));
}

#[test]
fn a_network_is_let_in_by_a_set_of_intervals() {
    needs!(root);
    let lab = Lab::new();
    let wide = Plan {
        doors: r#"
        "late": (table: "knock_late", v4_prefix: 24, v6_prefix: 64),"#,
        ..plan()
    };
    let config = wide.furnish(&lab);
    lab.server.nft(
        "add set inet filter knock_late_v4 { type ipv4_addr; };
         add set inet filter knock_late_v6 { type ipv6_addr; flags interval; }",
    );
    let daemon = lab.daemon(&config);
    // A set that takes hosts only is named before anybody knocks.
    let complaint =
        "its doors cannot open: set inet filter knock_late_v4 holds single addresses";
    assert_eq!(daemon.count(complaint), 1);
    lab.server.nft("delete set inet filter knock_late_v4");
    knock_late(&lab);
    lab.server.nft("add set inet filter knock_late_v4 { type ipv4_addr; flags interval; }");
    daemon.expect("table <knock_late> can be used again");
    knock_late(&lab);
    daemon.expect("door late opened for 192.0.2.100");
    assert_eq!(lab.set("knock_late_v4"), "192.0.2.0/24");

    // The next network overlaps the one that it replaces.
    furnish::edit(&config, "v4_prefix: 24", "v4_prefix: 28");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.expect("configuration reloaded, ");
    assert_eq!(lab.set("knock_late_v4"), "192.0.2.96/28");
    lab.server.nft("flush set inet filter knock_late_v4");
    daemon.expect("table <knock_late> was emptied, 1 entries put back");
    assert_eq!(lab.set("knock_late_v4"), "192.0.2.96/28");

    daemon.kill("keeper");
    daemon.expect("door late open again for 192.0.2.100");
    assert_eq!(lab.set("knock_late_v4"), "192.0.2.96/28");
    assert_eq!(daemon.count("cannot add"), 0);
    daemon.stop();
    assert_eq!(lab.set("knock_late_v4"), "");
}
