//! What the doctor reports of an nftables table that filters nothing, in network
//! namespaces of their own.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use crate::house::{House, conf};
use knockd::firewall::Choice;
use knockd::review;
use nix::sched::{CloneFlags, unshare};

const SETS: &str = "table inet knockd {
    set knock_ssh_v4 { type ipv4_addr; }
    set knock_ssh_v6 { type ipv6_addr; }
}";

/// The findings in a namespace whose ruleset is `ruleset`.
fn findings(ruleset: &str) -> Vec<String> {
    findings_about("ports: [Tcp(22)]", ruleset)
}

fn findings_about(door: &str, ruleset: &str) -> Vec<String> {
    let house = House::new();
    let doors = format!("doors: {{\"ssh\": (table: \"knock_ssh\", {door})}}");
    let mut config = house.parse(&conf(&[&doors])).unwrap();
    config.firewall = Choice::Nft { table: "knockd".into() };
    let look = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut nft =
            Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(ruleset.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft refuses: {ruleset}");
        review::check(&config, &["em0".to_owned()]).iter().map(ToString::to_string).collect()
    };
    thread::scope(|scope| scope.spawn(look).join().unwrap())
}

#[test]
fn a_table_that_filters_nothing_opens_and_blocks_nothing() {
    needs!(root);
    let chain = "table inet knockd { chain aside { accept; }; }";
    let dormant = "add table inet knockd { flags dormant; }";
    for (ruleset, why) in [
        (String::new(), "there is no table inet knockd"),
        (SETS.to_owned(), "no chain of table inet knockd has a hook"),
        (format!("{SETS}\n{chain}"), "no chain of table inet knockd has a hook"),
        (format!("{SETS}\n{dormant}"), "table inet knockd is dormant"),
    ] {
        let found = findings(&ruleset);
        let wanted = format!(
            "error    firewall: {why}, so doors open and block nothing: load its rules"
        );
        assert_eq!(found[0], wanted, "{found:?}");
        let all = found.join("\n");
        for false_word in ["is open", "stands open", "stays shut", "disabled", "enabled"] {
            assert!(!all.contains(false_word), "{false_word}: {all}");
        }
        assert_eq!(all.contains("there is no set inet knockd"), ruleset.is_empty(), "{all}");
    }
    let hook = "table inet knockd { chain input { type filter hook input priority 0; }; }";
    let found = findings(&format!("{SETS}\n{hook}"));
    assert_eq!(found[..2], ["ok       firewall: enabled", "ok       table <knock_ssh>: there"]);
}

#[test]
fn a_set_that_takes_no_networks_is_an_error_with_its_declaration() {
    needs!(root);
    let found = findings_about("v6_prefix: 64", SETS);
    assert_eq!(
        found[1],
        "error    table <knock_ssh>: set inet knockd knock_ssh_v6 holds single addresses, no \
         network, declare it as: set knock_ssh_v6 { type ipv6_addr; flags interval; }"
    );
    let intervals = SETS.replace("ipv6_addr;", "ipv6_addr; flags interval;");
    let found = findings_about("v6_prefix: 64", &intervals);
    assert_eq!(found[1], "ok       table <knock_ssh>: there");
}
