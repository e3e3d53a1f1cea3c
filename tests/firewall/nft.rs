//! The sets of a real nftables, in network namespaces of their own, declared
//! and inspected with nft.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use knockd::core::address::Entry;
use knockd::core::door::Table;
use knockd::firewall::nft::Nft;
use knockd::firewall::{
    Added, BATCH, Deleted, Firewall, FirewallError, FirewallErrorKind, Status,
};
use nix::sched::{CloneFlags, unshare};

mod networks;

const SETS: &str = "table inet knockd {
    set knock_ssh_v4 { type ipv4_addr; }
    set knock_ssh_v6 { type ipv6_addr; }
}";

/// Runs `test` in a network namespace of its own, which ends with its thread.
fn in_namespace(test: impl FnOnce() + Send) {
    needs!(root);
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        test();
    };
    if let Err(panic) = thread::scope(|scope| scope.spawn(run).join()) {
        std::panic::resume_unwind(panic);
    }
}

/// Has nft read `script`.
fn nft(script: &str) {
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    nft.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success(), "nft refuses: {script}");
}

/// What nft says of a set.
fn shown(set: &str) -> String {
    let nft =
        Command::new("nft").args(["list", "set", "inet", "knockd", set]).output().unwrap();
    assert!(nft.status.success());
    String::from_utf8(nft.stdout).unwrap()
}

fn ssh() -> Table {
    Table { anchor: None, name: "knock_ssh".into() }
}

fn host(text: &str) -> Entry {
    Entry::host(text.parse().unwrap())
}

fn numbered(number: u32) -> Entry {
    Entry::host(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
}

fn open() -> Nft {
    Nft::open("knockd").unwrap()
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, FirewallError>) -> FirewallErrorKind {
    result.unwrap_err().kind
}

#[test]
fn entries_of_both_families_come_and_go() {
    in_namespace(|| {
        nft(SETS);
        let mut nft = open();
        nft.probe(&ssh()).unwrap();
        for (text, set) in [("192.0.2.7", "knock_ssh_v4"), ("2001:db8::7", "knock_ssh_v6")] {
            assert_eq!(nft.add(&ssh(), host(text)).unwrap(), Added::Added);
            assert!(shown(set).contains(text));
            assert_eq!(nft.add(&ssh(), host(text)).unwrap(), Added::Present);
            assert_eq!(nft.list(&ssh()).unwrap(), [host(text)]);
            assert!(nft.holds(&ssh(), host(text)).unwrap());
            assert_eq!(nft.delete(&ssh(), host(text)).unwrap(), Deleted::Deleted);
            assert!(!shown(set).contains(text));
            assert!(!nft.holds(&ssh(), host(text)).unwrap());
            assert_eq!(nft.delete(&ssh(), host(text)).unwrap(), Deleted::Absent);
            assert_eq!(nft.list(&ssh()).unwrap(), []);
        }
    });
}

#[test]
fn an_entry_of_somebody_else_is_held_and_the_element_for_every_address_is_another() {
    in_namespace(|| {
        nft(SETS);
        nft("add element inet knockd knock_ssh_v4 { 192.0.2.7 }");
        let mut ours = open();
        assert!(ours.holds(&ssh(), host("192.0.2.7")).unwrap());
        assert!(!ours.holds(&ssh(), host("192.0.2.8")).unwrap());
        nft("add element inet knockd knock_ssh_v4 { * }");
        assert!(!ours.holds(&ssh(), host("192.0.2.8")).unwrap());
        let network = Entry::new("192.0.2.0".parse().unwrap(), 24).unwrap();
        assert!(!ours.holds(&ssh(), network).unwrap());
    });
}

#[test]
fn the_advice_for_a_missing_set_makes_it() {
    in_namespace(|| {
        let mut nft = open();
        let make_it = |error: FirewallError| {
            assert_eq!(error.kind, FirewallErrorKind::Missing);
            let text = error.to_string();
            let command = text.split_once("make with: ").unwrap().1;
            assert!(Command::new("sh").args(["-c", command]).status().unwrap().success());
        };
        let entry = host("192.0.2.7");
        assert_eq!(kind_of(nft.list(&ssh())), FirewallErrorKind::Missing);
        assert_eq!(kind_of(nft.holds(&ssh(), entry)), FirewallErrorKind::Missing);
        assert_eq!(kind_of(nft.add(&ssh(), entry)), FirewallErrorKind::Missing);
        assert_eq!(kind_of(nft.delete(&ssh(), entry)), FirewallErrorKind::Missing);
        make_it(nft.add(&ssh(), entry).unwrap_err());
        assert_eq!(nft.add(&ssh(), entry).unwrap(), Added::Added);
        // Its sister is still missing.
        make_it(nft.probe(&ssh()).unwrap_err());
        nft.probe(&ssh()).unwrap();
        assert_eq!(nft.list(&ssh()).unwrap(), [entry]);
        // Another door, both sets at once.
        let web = Table { anchor: None, name: "knock_web".into() };
        make_it(nft.probe(&web).unwrap_err());
        nft.probe(&web).unwrap();
    });
}

#[test]
fn a_set_that_changes_under_us_is_seen_as_it_is() {
    in_namespace(|| {
        nft(SETS);
        let (mut ours, entry) = (open(), host("192.0.2.7"));
        ours.probe(&ssh()).unwrap();
        assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added);

        nft("flush set inet knockd knock_ssh_v4");
        assert!(!ours.holds(&ssh(), entry).unwrap());
        assert_eq!(ours.list(&ssh()).unwrap(), []);
        assert_eq!(ours.delete(&ssh(), entry).unwrap(), Deleted::Absent);
        assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added);

        nft("delete set inet knockd knock_ssh_v4");
        assert_eq!(kind_of(ours.holds(&ssh(), entry)), FirewallErrorKind::Missing);
        assert_eq!(kind_of(ours.delete(&ssh(), entry)), FirewallErrorKind::Missing);
        assert_eq!(kind_of(ours.add(&ssh(), entry)), FirewallErrorKind::Missing);
        assert_eq!(kind_of(ours.list(&ssh())), FirewallErrorKind::Missing);
        assert_eq!(kind_of(ours.probe(&ssh())), FirewallErrorKind::Missing);

        nft("add set inet knockd knock_ssh_v4 { type ipv4_addr; }");
        assert_eq!(ours.delete(&ssh(), entry).unwrap(), Deleted::Absent);
        assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added);
        assert_eq!(ours.list(&ssh()).unwrap(), [entry]);

        nft("delete table inet knockd");
        assert_eq!(kind_of(ours.add(&ssh(), entry)), FirewallErrorKind::Missing);
    });
}

/// A lone address would stand for all addresses above it.
#[test]
fn a_set_that_becomes_one_of_intervals_gets_both_bounds() {
    in_namespace(|| {
        nft(SETS);
        let mut ours = open();
        assert_eq!(ours.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        nft("delete set inet knockd knock_ssh_v4
             add set inet knockd knock_ssh_v4 { type ipv4_addr; flags interval; }
             add element inet knockd knock_ssh_v4 { 192.0.2.8-192.0.2.20 }");
        let before = shown("knock_ssh_v4");
        assert_eq!(ours.delete(&ssh(), host("192.0.2.8")).unwrap(), Deleted::Absent);
        assert_eq!(ours.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Absent);
        assert!(!ours.holds(&ssh(), host("192.0.2.8")).unwrap());
        assert_eq!(ours.list(&ssh()).unwrap(), [], "a range is no network");
        assert_eq!(ours.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        assert_eq!(ours.list(&ssh()).unwrap(), [host("192.0.2.7")]);
        assert_eq!(ours.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Deleted);
        assert_eq!(shown("knock_ssh_v4"), before);
    });
}

#[test]
fn a_set_of_the_wrong_sort_is_refused_with_its_declaration() {
    in_namespace(|| {
        for wrong in [
            "set knock_ssh_v4 { type ipv6_addr; }",
            "set knock_ssh_v4 { type inet_service; }",
            "set knock_ssh_v4 { type mark; }",
            "set knock_ssh_v4 { type ipv4_addr . inet_service; }",
            "set knock_ssh_v4 { type ipv4_addr . ipv4_addr; flags interval; }",
            "set knock_ssh_v4 { type ipv4_addr; flags constant; elements = { 192.0.2.1 }; }",
            "set knock_ssh_v4 { type ipv4_addr; timeout 1m; }",
            "map knock_ssh_v4 { type ipv4_addr : verdict; }",
        ] {
            nft(&format!(
                "table inet knockd {{ {wrong}\n set knock_ssh_v6 {{ type ipv6_addr; }}; }}"
            ));
            let mut ours = open();
            let error = ours.probe(&ssh()).unwrap_err();
            assert_eq!(error.kind, FirewallErrorKind::Unsupported, "{wrong}");
            let advice = error.to_string();
            let flags = if wrong.contains("interval") { " flags interval;" } else { "" };
            let declaration = format!("set knock_ssh_v4 {{ type ipv4_addr;{flags} }}");
            assert!(advice.ends_with(&declaration), "{advice}");
            assert_eq!(
                kind_of(ours.add(&ssh(), host("192.0.2.7"))),
                FirewallErrorKind::Unsupported
            );
            nft("delete table inet knockd");
        }
    });
}

#[test]
fn a_set_of_limited_size_gets_full() {
    in_namespace(|| {
        nft("table inet knockd { set knock_ssh_v4 { type ipv4_addr; size 2; }; }");
        let mut ours = open();
        assert_eq!(ours.add(&ssh(), numbered(1)).unwrap(), Added::Added);
        assert_eq!(ours.add(&ssh(), numbered(2)).unwrap(), Added::Added);
        assert_eq!(kind_of(ours.add(&ssh(), numbered(3))), FirewallErrorKind::Full);
        assert_eq!(ours.add(&ssh(), numbered(2)).unwrap(), Added::Present);
        assert_eq!(ours.delete(&ssh(), numbered(2)).unwrap(), Deleted::Deleted);
        assert_eq!(ours.add(&ssh(), numbered(3)).unwrap(), Added::Added);
    });
}

#[test]
fn a_set_with_timeouts_keeps_what_is_added_without_one() {
    in_namespace(|| {
        nft("table inet knockd {
                set knock_ssh_v4 { type ipv4_addr; flags timeout; }
                set knock_ssh_v6 { type ipv6_addr; flags dynamic, timeout; size 99; }
            }
            add element inet knockd knock_ssh_v4 { 192.0.2.1 timeout 1h }");
        let mut ours = open();
        ours.probe(&ssh()).unwrap();
        for text in ["192.0.2.7", "2001:db8::7"] {
            assert_eq!(ours.add(&ssh(), host(text)).unwrap(), Added::Added);
        }
        assert_eq!(ours.add(&ssh(), host("192.0.2.1")).unwrap(), Added::Present);
        assert_eq!(ours.list(&ssh()).unwrap().len(), 3);
        assert_eq!(shown("knock_ssh_v4").matches("expires").count(), 1);
        assert_eq!(shown("knock_ssh_v6").matches("expires").count(), 0);
        assert_eq!(ours.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Deleted);
    });
}

#[test]
fn networks_do_not_go_into_sets_of_addresses() {
    in_namespace(|| {
        nft(SETS);
        let mut ours = open();
        for (text, prefix) in [("192.0.2.0", 24), ("2001:db8::", 64), ("0.0.0.0", 0)] {
            let network = Entry::new(text.parse().unwrap(), prefix).unwrap();
            assert_eq!(kind_of(ours.add(&ssh(), network)), FirewallErrorKind::Unsupported);
            assert_eq!(ours.delete(&ssh(), network).unwrap(), Deleted::Absent);
            assert!(!ours.holds(&ssh(), network).unwrap());
        }
        assert_eq!(ours.list(&ssh()).unwrap(), []);
        let anchored = Table { anchor: Some("knockd".into()), ..ssh() };
        assert_eq!(kind_of(ours.probe(&anchored)), FirewallErrorKind::Unsupported);
        assert_eq!(kind_of(Nft::open("a;b")), FirewallErrorKind::Unsupported);
    });
}

#[test]
fn five_thousand_entries_are_listed() {
    in_namespace(|| {
        nft(SETS);
        let mut ours = open();
        for number in 0..5000 {
            assert_eq!(ours.add(&ssh(), numbered(number)).unwrap(), Added::Added);
        }
        assert_eq!(ours.add(&ssh(), host("2001:db8::7")).unwrap(), Added::Added);
        let mut expected: Vec<_> = (0..5000).map(numbered).collect();
        expected.push(host("2001:db8::7"));
        assert_eq!(ours.list(&ssh()).unwrap(), expected);
    });
}

#[test]
fn a_list_is_whole_while_others_change_the_set() {
    in_namespace(|| {
        nft(SETS);
        let mut ours = open();
        let stable: BTreeSet<_> = (0..3000).map(numbered).collect();
        for entry in &stable {
            assert_eq!(ours.add(&ssh(), *entry).unwrap(), Added::Added);
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut others = open();
                for number in 10_000..10_400 {
                    assert_eq!(others.add(&ssh(), numbered(number)).unwrap(), Added::Added);
                    if number % 2 == 0 {
                        others.delete(&ssh(), numbered(number)).unwrap();
                    }
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                match ours.list(&ssh()) {
                    Ok(listed) => {
                        let listed: BTreeSet<_> = listed.into_iter().collect();
                        assert!(listed.is_superset(&stable));
                    }
                    // They never held still.
                    Err(error) => assert_eq!(error.kind, FirewallErrorKind::System),
                }
            }
        });
        assert_eq!(ours.list(&ssh()).unwrap().len(), 3200);
    });
}

#[test]
fn changes_get_through_while_others_change_the_ruleset() {
    in_namespace(|| {
        nft(SETS);
        let work = |base: u32| {
            let mut ours = open();
            for number in base..base + 300 {
                assert_eq!(ours.add(&ssh(), numbered(number)).unwrap(), Added::Added);
                assert_eq!(ours.delete(&ssh(), numbered(number)).unwrap(), Deleted::Deleted);
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| work(0));
            scope.spawn(|| work(1000));
        });
        assert_eq!(open().list(&ssh()).unwrap(), []);
    });
}

#[test]
fn entries_of_others_stay() {
    in_namespace(|| {
        nft(SETS);
        nft("add element inet knockd knock_ssh_v4 { 192.0.2.1, 192.0.2.2 }
             add table inet other
             add set inet other knock_ssh_v4 { type ipv4_addr; }
             add element inet other knock_ssh_v4 { 192.0.2.7 }");
        let mut ours = open();
        assert_eq!(ours.add(&ssh(), host("192.0.2.1")).unwrap(), Added::Present);
        assert_eq!(ours.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        assert_eq!(ours.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Deleted);
        assert_eq!(ours.list(&ssh()).unwrap(), [host("192.0.2.1"), host("192.0.2.2")]);
        let mut other = Nft::open("other").unwrap();
        assert_eq!(kind_of(other.list(&ssh())), FirewallErrorKind::Missing);
        nft("add set inet other knock_ssh_v6 { type ipv6_addr; }");
        assert_eq!(other.list(&ssh()).unwrap(), [host("192.0.2.7")]);
    });
}

#[test]
fn an_element_for_every_address_is_listed_as_such() {
    in_namespace(|| {
        nft(SETS);
        nft("add element inet knockd knock_ssh_v4 { *, 192.0.2.1 }");
        let all = Entry::new(IpAddr::from([0, 0, 0, 0]), 0).unwrap();
        assert_eq!(open().list(&ssh()).unwrap(), [all, host("192.0.2.1")]);
    });
}

#[test]
fn only_a_table_that_packets_pass_through_enforces() {
    in_namespace(|| {
        let mut ours = open();
        assert_eq!(ours.status().unwrap(), Status::Disabled);
        let idle = |ours: &mut Nft| ours.review(&[], &[]).unwrap()[0].to_string();
        assert!(idle(&mut ours).starts_with("there is no table inet knockd, so doors open"));
        nft(SETS);
        nft("table inet knockd { chain aside { accept; }; }
             table inet other { chain input { type filter hook input priority 0; }; }");
        assert_eq!(ours.status().unwrap(), Status::Disabled);
        nft("table inet knockd { chain input { type filter hook input priority 0; }; }");
        assert_eq!(ours.status().unwrap(), Status::Enforcing);
        assert_eq!(ours.review(&[], &[]).unwrap(), []);
        nft("add table inet knockd { flags dormant; }");
        assert_eq!(ours.status().unwrap(), Status::Disabled);
        assert!(idle(&mut ours).starts_with("table inet knockd is dormant, so doors open"));
    });
}

#[test]
fn without_the_right_to_administer_the_network_everything_is_denied() {
    const CHILD: &str = "KNOCKD_TESTS_DENIED";
    if std::env::var_os(CHILD).is_some() {
        let (mut ours, entry) = (open(), host("192.0.2.7"));
        let errors = [
            ours.probe(&ssh()).unwrap_err(),
            ours.add(&ssh(), entry).unwrap_err(),
            ours.delete(&ssh(), entry).unwrap_err(),
            ours.list(&ssh()).unwrap_err(),
            ours.holds(&ssh(), entry).unwrap_err(),
            ours.status().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind, FirewallErrorKind::Denied);
            assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
        }
        return;
    }
    in_namespace(|| {
        nft(SETS);
        // By its link, since nobody may walk the path to it.
        let child = Command::new("/proc/self/exe")
            .args([
                "--exact",
                "nft::without_the_right_to_administer_the_network_everything_is_denied",
            ])
            .env(CHILD, "")
            .gid(65534)
            .uid(65534)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
    });
}

/// A listener at `address` that the ruleset hides.
fn hidden_service(address: IpAddr) -> SocketAddr {
    // Without duplicate address detection the address is there at once.
    let length = if address.is_ipv4() { "/32" } else { "/128 nodad" };
    for arguments in ["link set lo up", &format!("address add dev lo {address}{length}")] {
        let ip = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(ip.success());
    }
    let listener = TcpListener::bind((address, 0)).unwrap();
    let service = listener.local_addr().unwrap();
    // It lives as long as the test's process; the kernel accepts for it.
    std::mem::forget(listener);
    service
}

#[test]
fn a_connection_passes_after_add_and_not_after_delete() {
    in_namespace(|| {
        nft(SETS);
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
        assert_eq!(ours.status().unwrap(), Status::Enforcing);
        for service in services {
            // The source is the same address: it is the only one there.
            let entry = Entry::host(service.ip());
            let connects =
                || TcpStream::connect_timeout(&service, Duration::from_secs(5)).is_ok();
            assert!(!connects());
            assert_eq!(ours.add(&ssh(), entry).unwrap(), Added::Added);
            assert!(connects());
            assert_eq!(ours.delete(&ssh(), entry).unwrap(), Deleted::Deleted);
            assert!(!connects());
        }
    });
}

#[test]
fn an_add_takes_far_less_than_a_millisecond() {
    in_namespace(|| {
        nft(SETS);
        let mut ours = open();
        let mut spans: Vec<_> = (0..1001)
            .map(|number| {
                let start = Instant::now();
                assert_eq!(ours.add(&ssh(), numbered(number)).unwrap(), Added::Added);
                start.elapsed()
            })
            .collect();
        spans.sort_unstable();
        println!("median {:?}, longest {:?}", spans[500], spans[1000]);
        assert!(spans[500] < Duration::from_millis(1), "median {:?}", spans[500]);
    });
}

#[test]
fn many_entries_of_both_families_go_in_and_out_together() {
    in_namespace(|| {
        nft(SETS);
        nft("add element inet knockd knock_ssh_v4 { 10.0.0.3, 10.0.0.200 }");
        let mut ours = open();
        let v6 = |number: u32| host(&format!("2001:db8::{number:x}"));
        let all: Vec<_> = (0..BATCH as u32 / 2).flat_map(|n| [numbered(n), v6(n)]).collect();
        let added = ours.add_missing(&ssh(), &all);
        assert_eq!(added.len(), all.len());
        assert!(added.iter().all(|(_, added)| added.is_ok()), "one that is there is no error");
        assert_eq!(ours.list(&ssh()).unwrap().len(), all.len() + 1);
        // The kernel deletes all or none; those that are missing are found.
        nft("delete element inet knockd knock_ssh_v4 { 10.0.0.7, 10.0.0.99 }");
        let missing = [numbered(7), numbered(99)];
        let gone = ours.delete_all(&ssh(), &all);
        assert_eq!(gone.len(), all.len());
        for (entry, deleted) in gone {
            let is_missing = missing.contains(&entry);
            let expected = if is_missing { Deleted::Absent } else { Deleted::Deleted };
            assert_eq!(deleted.unwrap(), expected, "{entry}");
        }
        assert_eq!(ours.list(&ssh()).unwrap(), [host("10.0.0.200")]);
        nft("delete table inet knockd");
        let gone = ours.delete_all(&ssh(), &all[..2]);
        assert!(gone.into_iter().all(|(_, gone)| kind_of(gone) == FirewallErrorKind::Missing));
        let added = ours.add_missing(&ssh(), &all[..2]);
        assert!(
            added.into_iter().all(|(_, added)| kind_of(added) == FirewallErrorKind::Missing)
        );
    });
}

#[test]
fn many_networks_go_in_and_out_together() {
    in_namespace(|| {
        nft(&SETS.replace("_addr;", "_addr; flags interval;"));
        let mut ours = open();
        let network = |number: u32| Entry::new(Ipv4Addr::from_bits(number << 8).into(), 24);
        let all: Vec<_> = (1..BATCH as u32).filter_map(network).collect();
        nft("add element inet knockd knock_ssh_v4 { 0.0.9.0/24, 0.0.3.64/26 }");
        for (entry, added) in ours.add_missing(&ssh(), &all) {
            assert_eq!(added.is_err(), entry == all[2], "a part of {entry} is there");
        }
        let gone = ours.delete_all(&ssh(), &all);
        for (entry, deleted) in gone {
            let expected = if entry == all[2] { Deleted::Absent } else { Deleted::Deleted };
            assert_eq!(deleted.unwrap(), expected, "{entry}");
        }
        assert_eq!(ours.list(&ssh()).unwrap().len(), 1);
    });
}

#[test]
fn a_trace_shows_every_change_by_others_and_none_by_us() {
    in_namespace(|| {
        nft(SETS);
        let (mut ours, mut theirs) = (open(), open());
        let trace = |nft: &mut Nft| nft.traces(&[ssh()])[0].unwrap();
        let before = trace(&mut ours);
        assert!(before.is_exact);
        assert_eq!(ours.add(&ssh(), numbered(1)).unwrap(), Added::Added);
        assert_eq!(ours.add(&ssh(), numbered(1)).unwrap(), Added::Present);
        let _ = ours.delete_all(&ssh(), &[numbered(1), numbered(2)]);
        assert_eq!(trace(&mut ours), before);
        // Between two changes of ours.
        assert_eq!(theirs.add(&ssh(), numbered(3)).unwrap(), Added::Added);
        assert_eq!(theirs.delete(&ssh(), numbered(3)).unwrap(), Deleted::Deleted);
        assert_eq!(ours.add(&ssh(), numbered(1)).unwrap(), Added::Added);
        let after = trace(&mut ours);
        assert_ne!(after, before);
        assert_eq!(ours.add(&ssh(), numbered(4)).unwrap(), Added::Added);
        assert_eq!(trace(&mut ours), after);
        nft("flush set inet knockd knock_ssh_v4");
        assert_ne!(trace(&mut ours), after);
    });
}
