//! Networks in sets of intervals.

use super::*;
use knockd::core::address::Family;

const INTERVALS: &str = "table inet knockd {
    set knock_ssh_v4 { type ipv4_addr; flags interval; }
    set knock_ssh_v6 { type ipv6_addr; flags interval; }
}";

fn network(text: &str) -> Entry {
    let (address, prefix) = text.split_once('/').unwrap();
    Entry::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
}

/// Sorted, as the kernel may list them in any order.
fn listed(ours: &mut Nft) -> Vec<Entry> {
    let mut entries = ours.list(&ssh()).unwrap();
    entries.sort_unstable();
    entries
}

#[test]
fn networks_come_and_go_and_hosts_beside_them() {
    in_namespace(|| {
        nft(INTERVALS);
        let mut ours = open();
        ours.probe(&ssh()).unwrap();
        let mut all = Vec::new();
        for (text, set) in [
            ("192.0.2.0/24", "knock_ssh_v4"),
            // Neighbours on both sides are not merged.
            ("192.0.3.0/24", "knock_ssh_v4"),
            ("192.0.1.255/32", "knock_ssh_v4"),
            ("198.51.0.0/16", "knock_ssh_v4"),
            ("255.255.255.255/32", "knock_ssh_v4"),
            ("2001:db8::/64", "knock_ssh_v6"),
            ("2001:db8:0:1::/64", "knock_ssh_v6"),
            ("2001:db8:1::7/128", "knock_ssh_v6"),
        ] {
            let entry = network(text);
            assert!(!ours.holds(&ssh(), entry).unwrap(), "{text}");
            assert_eq!(ours.delete(&ssh(), entry).unwrap(), Deleted::Absent);
            assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added, "{text}");
            assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Present);
            assert!(ours.holds(&ssh(), entry).unwrap(), "{text}");
            let text = text.trim_end_matches("/32").trim_end_matches("/128");
            assert!(shown(set).contains(text), "{text}: {}", shown(set));
            all.push(entry);
        }
        all.sort_unstable();
        assert_eq!(listed(&mut ours), all);
        for (gone, entry) in all.iter().enumerate() {
            assert_eq!(ours.delete(&ssh(), *entry).unwrap(), Deleted::Deleted, "{entry}");
            assert!(!ours.holds(&ssh(), *entry).unwrap());
            assert_eq!(listed(&mut ours), all[gone + 1..]);
        }
        assert!(!shown("knock_ssh_v4").contains("elements"));
    });
}

#[test]
fn an_entry_that_overlaps_another_is_refused_and_nothing_changes() {
    in_namespace(|| {
        nft(INTERVALS);
        let mut ours = open();
        for entry in ["192.0.2.0/24", "198.51.100.7/32"].map(network) {
            assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added);
        }
        let before = shown("knock_ssh_v4");
        for text in [
            "192.0.2.7/32",
            "192.0.2.0/25",
            "192.0.2.128/25",
            "192.0.0.0/16",
            "198.51.100.0/24",
        ] {
            let entry = network(text);
            assert!(!ours.holds(&ssh(), entry).unwrap(), "{text}");
            let error = ours.add(&ssh(), entry).unwrap_err();
            assert_eq!(error.kind, FirewallErrorKind::System, "{text}");
            assert!(error.to_string().contains("another entry overlaps it"), "{error}");
            assert_eq!(ours.delete(&ssh(), entry).unwrap(), Deleted::Absent, "{text}");
            assert_eq!(shown("knock_ssh_v4"), before, "{text}");
        }
    });
}

#[test]
fn ranges_of_others_are_not_touched() {
    in_namespace(|| {
        nft(INTERVALS);
        nft("add element inet knockd knock_ssh_v4 {
                 10.0.0.5-10.0.0.9, 192.0.2.0-192.0.2.9, 192.0.2.20-192.0.2.255, 203.0.113.0/24
             }");
        let mut ours = open();
        assert_eq!(listed(&mut ours), [network("203.0.113.0/24")]);
        let before = shown("knock_ssh_v4");
        // The start of one and the end of another.
        for text in ["192.0.2.0/24", "10.0.0.5/32", "10.0.0.8/32"] {
            assert!(!ours.holds(&ssh(), network(text)).unwrap(), "{text}");
            assert_eq!(ours.delete(&ssh(), network(text)).unwrap(), Deleted::Absent);
            assert!(ours.add(&ssh(), network(text)).is_err());
        }
        assert_eq!(shown("knock_ssh_v4"), before);
        // Who deletes ours by hand revokes it.
        assert_eq!(ours.add(&ssh(), network("198.51.100.0/24")).unwrap(), Added::Added);
        nft("delete element inet knockd knock_ssh_v4 { 198.51.100.0/24 }");
        assert!(!ours.holds(&ssh(), network("198.51.100.0/24")).unwrap());
    });
}

#[test]
fn a_set_must_take_networks_and_must_not_merge_them() {
    in_namespace(|| {
        let mut ours = open();
        let missing = ours.takes_networks(&ssh(), Family::V4).unwrap_err();
        assert_eq!(missing.kind, FirewallErrorKind::Missing);
        assert!(
            missing.to_string().contains("{ type ipv4_addr; flags interval; }"),
            "{missing}"
        );
        nft(SETS);
        for (family, declaration) in [
            (Family::V4, "set knock_ssh_v4 { type ipv4_addr; flags interval; }"),
            (Family::V6, "set knock_ssh_v6 { type ipv6_addr; flags interval; }"),
        ] {
            let error = ours.takes_networks(&ssh(), family).unwrap_err();
            assert_eq!(error.kind, FirewallErrorKind::Unsupported);
            assert!(error.to_string().ends_with(declaration), "{error}");
        }
        let error = ours.add(&ssh(), network("192.0.2.0/24")).unwrap_err();
        assert!(error.to_string().ends_with("flags interval; }"), "{error}");
        nft("delete table inet knockd");
        nft(INTERVALS);
        for family in Family::BOTH {
            ours.takes_networks(&ssh(), family).unwrap();
        }
        nft("delete set inet knockd knock_ssh_v4
             add set inet knockd knock_ssh_v4 { type ipv4_addr; flags interval; auto-merge; }");
        let error = ours.probe(&ssh()).unwrap_err();
        assert_eq!(error.kind, FirewallErrorKind::Unsupported);
        assert!(error.to_string().contains("has auto-merge"), "{error}");
    });
}

#[test]
fn a_network_lets_in_its_addresses_and_no_other() {
    in_namespace(|| {
        nft(INTERVALS);
        let services = ["192.0.2.1", "2001:db8::1"].map(|a| hidden_service(a.parse().unwrap()));
        let ports = services.map(|service| service.port());
        nft(&format!(
            "table inet knockd {{ chain input {{
                type filter hook input priority 0; policy accept;
                tcp flags & (syn | ack) != syn accept
                ip saddr @knock_ssh_v4 tcp dport {{ {0}, {1} }} accept
                ip6 saddr @knock_ssh_v6 tcp dport {{ {0}, {1} }} accept
                tcp dport {{ {0}, {1} }} reject with tcp reset
            }}
            }}",
            ports[0], ports[1]
        ));
        let mut ours = open();
        for (service, inside, outside) in [
            (services[0], "192.0.2.0/24", "192.0.1.0/24"),
            (services[1], "2001:db8::/64", "2001:db8:0:1::/64"),
        ] {
            // The source is the same address: it is the only one there.
            let connects =
                || TcpStream::connect_timeout(&service, Duration::from_secs(5)).is_ok();
            assert_eq!(ours.add(&ssh(), network(outside)).unwrap(), Added::Added);
            assert!(!connects(), "{service}");
            assert_eq!(ours.add(&ssh(), network(inside)).unwrap(), Added::Added);
            assert!(connects(), "{service}");
            assert_eq!(ours.delete(&ssh(), network(inside)).unwrap(), Deleted::Deleted);
            assert!(!connects(), "{service}");
        }
    });
}

#[test]
fn thousands_of_networks_are_listed_whole() {
    in_namespace(|| {
        nft(INTERVALS);
        let mut ours = open();
        let mut all: Vec<_> = (0..3_000)
            .map(|number: u32| Ipv4Addr::from_bits(0x0a00_0000 + (number << 8)))
            .map(|address| Entry::new(address.into(), 24).unwrap())
            .collect();
        for entry in &all {
            assert_eq!(ours.add(&ssh(), *entry).unwrap(), Added::Added);
        }
        all.sort_unstable();
        assert_eq!(listed(&mut ours), all);
    });
}
