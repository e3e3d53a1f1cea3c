//! What becomes of a packet, by what `pfctl -sr` prints.
#![forbid(unsafe_code)]

use knockd::core::address::Family;
use knockd::core::door::Table;
use knockd::core::sighting::{Port, Protocol};
use knockd::firewall::Machine;
use knockd::firewall::pf::ruleset::fate;
use knockd::firewall::pf::ruleset::read;
use knockd::firewall::pf::ruleset::services::Services;
use knockd::firewall::pf::ruleset::share::{Entrance, Packets, Sender};
use proptest::prelude::*;

const SSH: Port = Port { protocol: Protocol::Tcp, number: 22 };
const SPA: Port = Port { protocol: Protocol::Udp, number: 40123 };

fn services() -> Services {
    Services::parse(
        "# names\nssh\t22/tcp # Secure Shell\nhttps 443/tcp  www-ssl\nsyslog 514/udp\n\
         two 22/tcp\ntwo 8080/tcp\nother 80/tcp\nother 8080/tcp\n",
    )
}

fn machine() -> Machine {
    Machine {
        interfaces: ["em0", "em1", "lan"].map(String::from).to_vec(),
        addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
    }
}

fn entrance() -> Entrance {
    Entrance { name: "em0".into(), groups: Some(vec!["dmz".into(), "egress".into()]) }
}

fn table(anchor: Option<&str>) -> Table {
    Table { anchor: anchor.map(str::to_owned), name: "knock_ssh".into() }
}

/// The ends that are possible, in order; `?` marks those in doubt.
fn ends(rules: &str, port: Port, family: Family, sender: Sender<'_>) -> Vec<String> {
    let lines = read::parse(rules, None, &services());
    let (entrance, machine) = (entrance(), machine());
    let packets = Packets { entrance: &entrance, family, port, sender, machine: &machine };
    let fates = fate::follow(&lines, &packets);
    let mut ends: Vec<_> = fates
        .iter()
        .map(|fate| {
            let mark = if fate.doubt.is_some() { "?" } else { "" };
            format!("{:?}{mark}", fate.outcome)
        })
        .collect();
    ends.sort_unstable();
    ends
}

#[track_caller]
fn assert_strangers(rules: &str, expected: &[&str]) {
    assert_eq!(ends(rules, SSH, Family::V4, Sender::Stranger), expected, "{rules}");
}

/// Whether a stranger's packet to 22/tcp over IPv4 passes behind `block all`.
#[track_caller]
fn assert_passes(cases: &[(&str, &[&str])]) {
    for (rule, expected) in cases {
        assert_strangers(&format!("block drop all\n{rule}\n"), expected);
    }
}

const YES: &[&str] = &["Passed"];
const NO: &[&str] = &["Dropped"];
const BOTH: &[&str] = &["Dropped", "Passed"];
const DOUBT: &[&str] = &["Dropped?", "Passed?"];

#[test]
fn what_no_rule_matches_passes() {
    assert_strangers("", &["Untouched"]);
    assert_strangers("block drop out all\n", &["Untouched"]);
    assert_strangers("match in all scrub (no-df random-id max-mss 1440)\n", &["Untouched"]);
}

#[test]
fn the_last_rule_that_matches_decides_unless_one_is_quick() {
    assert_strangers("pass in all flags S/SA\nblock drop in all\n", NO);
    assert_strangers("block drop in all\npass in all flags S/SA keep state\n", YES);
    assert_strangers("block drop in quick all\npass in all flags S/SA\n", NO);
    assert_strangers("pass in quick all flags S/SA\nblock drop in all\n", YES);
    assert_strangers("@0 block drop in log (all, to pflog1) quick all\n@1 pass in all\n", NO);
}

#[test]
fn the_rules_of_the_manual_shut_strangers_out_and_let_the_table_in() {
    let rules = "block drop in on egress all\n\
        pass in on egress proto tcp from <knock_ssh> to any port = 22 flags S/SA\n";
    let own = table(None);
    for family in Family::BOTH {
        assert_eq!(ends(rules, SSH, family, Sender::Stranger), ["Dropped"]);
        assert_eq!(ends(rules, SPA, family, Sender::Stranger), ["Dropped"]);
        assert_eq!(ends(rules, SSH, family, Sender::Listed(&own)), ["Passed"]);
        assert_eq!(ends(rules, SPA, family, Sender::Listed(&own)), ["Dropped"]);
    }
    let quick = "block drop in all\npass in quick on egress proto tcp from <knock_ssh> to any port \
        = 22 flags S/SA keep state\nblock return in quick all\n";
    assert_eq!(ends(quick, SSH, Family::V4, Sender::Listed(&own)), ["Passed"]);
    assert_eq!(ends(quick, SSH, Family::V4, Sender::Stranger), ["Answered"]);
}

#[test]
fn ports_are_compared_as_pf_compares_them() {
    let rule = |port: &str| format!("pass in proto tcp from any to any port {port} flags S/SA");
    for (port, expected) in [
        ("= 22", YES),
        ("= ssh", YES),
        ("= 23", NO),
        ("= https", NO),
        ("!= 22", NO),
        ("!= 23", YES),
        ("< 22", NO),
        ("< 23", YES),
        ("<= 22", YES),
        ("> 22", NO),
        ("> 21", YES),
        (">= 22", YES),
        ("1024:65535", NO),
        ("22:25", YES),
        ("1:22", YES),
        ("21 >< 23", YES),
        ("22 >< 25", NO),
        ("22 <> 25", NO),
        ("23 <> 25", YES),
        ("> 65535", NO),
        ("= nobody-knows", DOUBT),
        ("~ 22", DOUBT),
    ] {
        assert_passes(&[(&rule(port), expected)]);
    }
}

#[test]
fn interfaces_groups_and_their_negation_count() {
    assert_passes(&[
        ("pass in on em0 all flags S/SA", YES),
        ("pass in on em1 all flags S/SA", NO),
        ("pass in on egress all flags S/SA", YES),
        ("pass in on dmz all flags S/SA", YES),
        // Those of a driver are no group.
        ("pass in on em all flags S/SA", NO),
        ("pass in on any all flags S/SA", YES),
        ("pass in on ! em0 all flags S/SA", NO),
        ("pass in on ! em1 all flags S/SA", YES),
        ("pass in on ! egress all flags S/SA", NO),
        ("pass in on vlan7 all flags S/SA", NO),
        ("pass in on lan all flags S/SA", NO),
        ("pass in on wan all flags S/SA", NO),
        ("pass in on rdomain 1 all flags S/SA", DOUBT),
        ("pass out on em0 all flags S/SA", NO),
    ]);
}

#[test]
fn without_known_groups_a_name_may_be_one() {
    let lines = read::parse("block drop in on wan all\n", None, &services());
    let (entrance, machine) = (Entrance { groups: None, ..entrance() }, machine());
    let sender = Sender::Stranger;
    let packets = Packets {
        entrance: &entrance,
        family: Family::V4,
        port: SSH,
        sender,
        machine: &machine,
    };
    assert!(fate::follow(&lines, &packets).iter().any(|fate| fate.doubt.is_some()));
}

#[test]
fn protocols_families_and_flags_count() {
    assert_passes(&[
        ("pass in inet all flags S/SA", YES),
        ("pass in inet6 all flags S/SA", NO),
        ("pass in inet proto tcp all flags S/SA", YES),
        ("pass in proto TCP all flags any", YES),
        ("pass in proto 6 all flags S/SA", YES),
        ("pass in proto udp all", NO),
        ("pass in inet proto icmp all icmp-type echoreq", NO),
        ("pass in inet6 proto ipv6-icmp all icmp6-type neighbrsol code 0", NO),
        ("pass in all fragment", NO),
        ("pass in all flags S/FSRA", YES),
        ("pass in all flags SA/SA", NO),
        ("pass in all flags A/A", NO),
        ("pass in all flags /SFRA", NO),
        ("pass in all flags /FR", YES),
        ("pass in all no state", YES),
    ]);
}

#[test]
fn a_name_of_several_ports_may_be_any_of_them() {
    assert_passes(&[
        ("pass in proto tcp from any to any port = ssh flags S/SA", YES),
        ("pass in proto tcp from any to any port = two flags S/SA", DOUBT),
        ("pass in proto tcp from any to any port != two flags S/SA", DOUBT),
        ("pass in proto tcp from any to any port = other flags S/SA", NO),
        ("pass in proto tcp from any to any port != other flags S/SA", YES),
    ]);
}

#[test]
fn icmp_options_take_their_arguments() {
    for rule in [
        "pass in inet6 proto ipv6-icmp all icmp6-type neighbrsol keep state",
        "pass in inet6 proto ipv6-icmp all icmp6-type neighbradv code 0 keep state",
        "pass in inet proto icmp all icmp-type echoreq keep state",
        "pass in inet proto icmp all icmp-type unreach code needfrag",
        "pass in inet6 proto ipv6-icmp all icmp6-type 135 no state",
    ] {
        let lines = read::parse(rule, None, &services());
        assert_eq!(lines[0].unread, None, "{rule}");
    }
}

#[test]
fn a_stranger_comes_from_anywhere_and_from_nowhere_in_particular() {
    assert_passes(&[
        ("pass in from any to any flags S/SA", YES),
        ("pass in inet from 0.0.0.0/0 to any flags S/SA", YES),
        ("pass in inet from 198.51.100.0/24 to any flags S/SA", NO),
        ("pass in inet from ! 198.51.100.0/24 to any flags S/SA", YES),
        ("pass in inet from 128.0.0.0/1 to any flags S/SA", BOTH),
        ("pass in inet from 198.51.100.1 - 203.0.113.9 to any flags S/SA", BOTH),
        ("pass in from <friends> to any flags S/SA", NO),
        ("pass in from <friends:12> to any flags S/SA", NO),
        ("pass in from ! <bad> to any flags S/SA", YES),
        ("pass in from (em1:network) to any flags S/SA", NO),
        ("pass in from (self) to any flags S/SA", NO),
        ("pass in from no-route to any flags S/SA", NO),
        ("pass in from urpf-failed to any flags S/SA", NO),
        ("pass in proto tcp from any port > 1023 to any flags S/SA", BOTH),
        ("pass in proto tcp from any os \"OpenBSD\" to any port = 22 flags S/SA", BOTH),
        ("pass in from route \"isp\" to any flags S/SA", DOUBT),
    ]);
}

#[test]
fn where_it_goes_counts_as_far_as_it_is_known() {
    assert_passes(&[
        ("pass in proto tcp from any to (em0) port = 22 flags S/SA", YES),
        ("pass in proto tcp from any to (egress:0) port = 22 flags S/SA", YES),
        ("pass in inet proto tcp from any to 192.0.2.1 port = 22 flags S/SA", BOTH),
        ("pass in inet proto tcp from any to 192.0.2.0/24 port = 22 flags S/SA", BOTH),
        ("pass in inet6 proto tcp from any to 2001:db8::1 port = 22 flags S/SA", NO),
        ("pass in inet proto tcp from any to 192.0.2.80 port = 22 flags S/SA", DOUBT),
        ("pass in inet proto tcp from any to 192.0.2.80 port = 80 flags S/SA", NO),
        ("pass in proto tcp from any to <servers> port = 22 flags S/SA", DOUBT),
    ]);
}

#[test]
fn options_that_decide_nothing_are_passed_over() {
    assert_passes(&[
        (
            "pass in log quick on em0 inet proto tcp from any to any port = 22 flags S/SA keep \
          state (source-track rule, max-src-conn 10, overload <bad> flush global) label \"a b\" \
          tag T queue(low, high) rtable 1",
            YES,
        ),
        ("pass in quick on em0 route-to (em1 192.0.2.9) inet all flags S/SA keep state", YES),
        (
            "pass in quick on em0 reply-to { (em0 192.0.2.9), (em1 192.0.2.8) } round-robin inet \
          all flags S/SA modulate state",
            YES,
        ),
        ("pass in all flags S/SA set ( prio 5 ) synproxy state allow-opts", YES),
        ("pass in all flags S/SA scrub (no-df max-mss 1400) once divert-reply", YES),
        ("pass in inet proto tcp all flags S/SA rdr-to 127.0.0.1 port 8022", YES),
        ("pass in all flags S/SA keep state (if-bound) ridentifier 7 dnpipe(1, 2)", YES),
        ("pass in all flags S/SA probability 50%", BOTH),
        ("pass in all tos 0x10 flags S/SA", BOTH),
        ("scrub in all fragment reassemble", NO),
        ("scrub-anchor \"com.apple/*\" all fragment reassemble", NO),
        ("nat-anchor \"x\" all", NO),
    ]);
}

#[test]
fn what_is_not_understood_is_never_taken_for_granted() {
    assert_passes(&[
        ("pass in all flags S/SA whenever 7", DOUBT),
        ("pass in all user = 0", DOUBT),
        ("pass in all tagged LAN", DOUBT),
        ("pass in all ! tagged LAN", DOUBT),
        ("wibble in all", &["Dropped?", "Unknown?"]),
        ("anchor \"there\" all", &["Dropped?", "Unknown?"]),
        ("anchor all", &["Dropped?", "Unknown?"]),
        ("anchor \"there\" out all", NO),
        ("match in all rdr-to 127.0.0.1 port 22", &["Dropped", "Unknown?"]),
        ("match in all nonsense", NO),
    ]);
    assert_strangers("block drop in on rdomain 1 all\n", &["Dropped?", "Untouched?"]);
    assert_strangers("block drop in quick on rdomain 1 all\npass in all\n", DOUBT);
    // What comes after and matches everything takes the doubt away.
    assert_strangers("pass in all whenever 7\nblock drop in all\n", NO);
    assert_strangers(
        "pass in quick all whenever 7\nblock drop in all\n",
        &["Dropped?", "Passed?"],
    );
}

#[test]
fn the_kernel_answers_for_what_it_returns() {
    for (rule, tcp, udp) in [
        ("block return all", "Answered", "Answered"),
        ("block return in on em0 all", "Answered", "Answered"),
        ("block return-rst in all", "Answered", "Dropped"),
        ("block return-rst(ttl 5) in all", "Answered", "Dropped"),
        ("block return-icmp(port-unr, port-unr) in all", "Answered", "Answered"),
        ("block return-icmp6(3) in all", "Answered", "Answered"),
        ("block drop in all", "Dropped", "Dropped"),
        ("block in all", "Dropped", "Dropped"),
    ] {
        assert_eq!(ends(rule, SSH, Family::V4, Sender::Stranger), [tcp], "{rule}");
        assert_eq!(ends(rule, SPA, Family::V6, Sender::Stranger), [udp], "{rule}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_read(text in "[ -~\n\u{e4}]{0,400}") {
        let _ = ends(&text, SSH, Family::V4, Sender::Stranger);
    }

    #[test]
    fn no_order_of_known_words_is_too_odd(
        words in proptest::collection::vec(
            prop::sample::select(vec![
                "pass", "block", "anchor", "\"x\"", "in", "quick", "on", "!", "em0", "from", "to",
                "port", "=", "><", "22", "1:2", "-", "<t>", "any", "(", ")", "{", "\"", "flags",
                "S/SA", "\n", "no", "state", "proto", "tcp", "return-icmp(", "@1", "match",
                "rdr-to", "192.0.2.0/24", "::/0", "os", "set", "log",
            ]),
            0..60,
        )
    ) {
        let _ = ends(&words.join(" "), SSH, Family::V4, Sender::Stranger);
    }
}
