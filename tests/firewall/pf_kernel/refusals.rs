//! What the kernel refuses, and what is said then.

use knockd::core::door::Table;
use knockd::firewall::pf::{Pf, advice, freebsd, freebsd32, macos, openbsd, table};
use knockd::firewall::{Added, Deleted, Firewall, FirewallErrorKind, Status};
use knockd::ioctl::Device;
use nix::libc;
use std::io;

use knockd::core::slot::Slot;
use knockd::core::time::Monotonic;
use knockd::log::Log;
use knockd::process::tables::Tables;

use crate::lines::Lines;

use super::fake::{Flags, System, key};
use super::{abi, anchored, host, on_all, pf, ready, says, ssh};

/// Whether a line says this about an object, and names it once.
fn names_once(line: &str, object: &str, todo: &str) -> bool {
    let is_once = |part: &str| line.matches(part).count() == 1;
    is_once(object) && is_once("192.0.2.7") && is_once("table <") && line.contains(todo)
}

#[test]
fn a_missing_table_is_said_with_the_line_that_makes_it() {
    on_all(|mut kernel| {
        kernel.tables.flush();
        let mut pf = pf(&mut kernel);
        let entry = host("192.0.2.7");
        for error in [
            pf.probe(&ssh()).unwrap_err(),
            pf.add(&ssh(), entry).unwrap_err(),
            pf.delete(&ssh(), entry).unwrap_err(),
            pf.holds(&ssh(), entry).unwrap_err(),
            pf.list(&ssh()).unwrap_err(),
        ] {
            let line = "`table <knock_ssh> persist` to /etc/pf.conf";
            says(&error, FirewallErrorKind::Missing, &["<knock_ssh>", line, "No such process"]);
        }
        let error = pf.probe(&anchored()).unwrap_err();
        let line = "`table <knock_ssh> persist` to the file of anchor knockd";
        says(&error, FirewallErrorKind::Missing, &[line, "pfctl -a knockd -f"]);
    });
}

#[test]
fn a_table_that_rules_name_but_nobody_defines_is_missing() {
    on_all(|mut kernel| {
        kernel.tables.all.get_mut(&key("", "knock_ssh")).unwrap().0 = Flags(Flags::REFERENCED);
        let mut pf = pf(&mut kernel);
        says(&pf.probe(&ssh()).unwrap_err(), FirewallErrorKind::Missing, &[]);
        says(&pf.list(&ssh()).unwrap_err(), FirewallErrorKind::Missing, &[]);
        says(&pf.holds(&ssh(), host("::1")).unwrap_err(), FirewallErrorKind::Missing, &[]);
    });
}

#[test]
fn a_const_table_can_be_read_but_not_used() {
    on_all(|mut kernel| {
        kernel.tables.define("", "knock_ssh", Flags::CONST);
        let mut pf = pf(&mut kernel);
        let advice =
            ["<knock_ssh>, drop `const` from the table's line", "Operation not permitted"];
        says(&pf.probe(&ssh()).unwrap_err(), FirewallErrorKind::Denied, &advice);
        says(&pf.add(&ssh(), host("::1")).unwrap_err(), FirewallErrorKind::Denied, &advice);
        says(&pf.delete(&ssh(), host("::1")).unwrap_err(), FirewallErrorKind::Denied, &advice);
        assert_eq!(pf.list(&ssh()).unwrap(), []);
        assert!(!pf.holds(&ssh(), host("::1")).unwrap());
    });
}

#[test]
fn a_descriptor_for_reading_lists_and_asks_but_never_changes() {
    on_all(|mut kernel| {
        kernel.writable = false;
        let mut pf = pf(&mut kernel);
        assert_eq!(pf.list(&ssh()).unwrap(), []);
        assert_eq!(pf.status().unwrap(), Status::Enforcing);
        let reading = ["for reading only", "Permission denied"];
        says(&pf.probe(&ssh()).unwrap_err(), FirewallErrorKind::Denied, &reading);
        says(&pf.create(&ssh()).unwrap_err(), FirewallErrorKind::Denied, &reading);
    });
}

#[test]
fn the_securelevel_forbids_new_tables_but_not_new_entries() {
    on_all(|mut kernel| {
        kernel.secure = true;
        let mut pf = pf(&mut kernel);
        assert_eq!(pf.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        assert_eq!(pf.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Deleted);
        let error = pf.create(&anchored()).unwrap_err();
        says(
            &error,
            FirewallErrorKind::Denied,
            &["kern.securelevel", "Operation not permitted"],
        );
    });
}

#[test]
fn macos_wants_root_at_every_call() {
    let mut kernel = ready(System::MacOs);
    kernel.is_root = false;
    let mut pf = pf(&mut kernel);
    says(&pf.list(&ssh()).unwrap_err(), FirewallErrorKind::Denied, &["as root"]);
    says(&pf.status().unwrap_err(), FirewallErrorKind::Denied, &["as root"]);
    says(&pf.add(&ssh(), host("::1")).unwrap_err(), FirewallErrorKind::Denied, &["as root"]);
}

#[test]
fn another_system_s_kernel_takes_none_of_our_entries() {
    // The request numbers are the same; only the size of an entry differs.
    for (system, other) in [
        (System::OpenBsd, &freebsd::ABI),
        (System::FreeBsd15, &openbsd::ABI),
        (System::FreeBsd15, &freebsd32::ABI),
    ] {
        let mut kernel = ready(system);
        let mut pf = Pf::new(&mut kernel, other);
        let error = pf.probe(&ssh()).unwrap_err();
        says(&error, FirewallErrorKind::Unsupported, &["rebuild knockd", "No such device"]);
    }
}

#[test]
fn the_kernel_refuses_what_the_encoder_must_never_write() {
    type Spoil = fn(&mut [u8], &mut [u8], System);
    let af = |system| if system == System::OpenBsd { 38 } else { 16 };
    let spoils: [(&str, Spoil); 9] = [
        ("host bits", |_, entry, system| {
            entry[if system == System::OpenBsd { 39 } else { 17 }] = 24
        }),
        ("prefix", |_, entry, system| {
            entry[if system == System::OpenBsd { 39 } else { 17 }] = 33
        }),
        ("family", |_, entry, system| {
            entry[if system == System::OpenBsd { 38 } else { 16 }] = 99
        }),
        ("outcome", |_, entry, system| {
            entry[if system == System::OpenBsd { 41 } else { 19 }] = 2
        }),
        ("tail of the address", |_, entry, _| entry[15] = 1),
        ("tail of the name", |argument, _, _| argument[1050] = 1),
        ("flags of the table", |argument, _, _| argument[1056] = 1),
        ("flag of the request", |argument, _, _| argument[1096] = 32),
        ("reserved anchor", |argument, _, _| argument[..3].copy_from_slice(b"_pf")),
    ];
    on_all(|mut kernel| {
        let system = kernel.system;
        let abi = abi(system);
        let entry = table::encode(abi, host("192.0.2.7"));
        assert_eq!(entry[af(system)], 2);
        let mut argument = table::argument(abi, &ssh()).unwrap();
        table::announce(abi, &mut argument, entry.len(), 1);
        for (what, spoil) in spoils {
            let (mut argument, mut entry) = (argument.clone(), entry.clone());
            spoil(&mut argument, &mut entry, system);
            let error =
                Device::ioctl(&mut &mut kernel, &abi.tables.add, &mut argument, &mut entry)
                    .expect_err(what);
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{what}");
        }
    });
}

#[test]
fn names_that_pf_cannot_hold_never_reach_it() {
    on_all(|mut kernel| {
        let abi = abi(kernel.system);
        let mut pf = pf(&mut kernel);
        let table =
            |anchor: Option<String>, name: &str| Table { anchor, name: name.to_owned() };
        for wrong in [
            table(None, ""),
            table(None, &"x".repeat(32)),
            table(None, "knock\0ssh"),
            table(Some("x".repeat(1024)), "knock_ssh"),
        ] {
            says(
                &pf.probe(&wrong).unwrap_err(),
                FirewallErrorKind::Unsupported,
                &["cannot have a table called"],
            );
            says(
                &pf.create(&wrong).unwrap_err(),
                FirewallErrorKind::Unsupported,
                &["cannot have a table called"],
            );
        }
        let longest = table(Some("x".repeat(1023)), &"x".repeat(31));
        assert!(table::argument(abi, &longest).is_ok());
    });
}

#[test]
fn the_reserved_anchor_is_refused_by_the_system() {
    on_all(|mut kernel| {
        let reserved = Table { anchor: Some("_pf".to_owned()), name: "knock_ssh".to_owned() };
        let error = pf(&mut kernel).probe(&reserved).unwrap_err();
        says(&error, FirewallErrorKind::System, &["anchor _pf", "Invalid argument"]);
    });
}

#[test]
fn an_entry_that_excludes_the_address_is_not_mistaken_for_ours() {
    on_all(|mut kernel| {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[192, 0, 2, 7]);
        kernel.tables.entries("", "knock_ssh").insert((2, address, 32), true);
        let mut pf = pf(&mut kernel);
        let error = pf.add(&ssh(), host("192.0.2.7")).unwrap_err();
        says(&error, FirewallErrorKind::Denied, &["it holds !192.0.2.7"]);
        assert_eq!(pf.list(&ssh()).unwrap(), []);
        assert_eq!(pf.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Absent);
        assert_eq!(kernel.tables.entries("", "knock_ssh").len(), 1);
    });
}

#[test]
fn freebsd_s_bound_on_listing_is_named() {
    let mut kernel = ready(System::FreeBsd15);
    kernel.tables.fill("", "knock_ssh", 0, 70_000);
    let error = pf(&mut kernel).list(&ssh()).unwrap_err();
    says(
        &error,
        FirewallErrorKind::Unsupported,
        &["net.pf.request_maxcount", "Invalid argument"],
    );
}

#[test]
fn a_full_kernel_is_said_to_be_full_and_deleting_still_works() {
    on_all(|mut kernel| {
        kernel.tables.limit = 1_000;
        kernel.tables.fill("", "knock_ssh", 0, 1_000);
        let mut pf = pf(&mut kernel);
        let error = pf.add(&ssh(), host("192.0.2.7")).unwrap_err();
        says(&error, FirewallErrorKind::Full, &["set limit table-entries", "pf.conf"]);
        assert_eq!(pf.delete(&ssh(), host("10.0.0.1")).unwrap(), Deleted::Deleted);
    });
}

#[test]
fn a_line_of_the_log_names_an_entry_and_its_table_once() {
    on_all(|mut kernel| {
        kernel.tables.define("", "knock_web", Flags::CONST);
        kernel.tables.limit = 1_000;
        kernel.tables.fill("", "knock_ssh", 0, 1_000);
        let lines = Lines::default();
        let firewall = Box::new(pf(Box::leak(Box::new(kernel))));
        let mut tables = Tables::new(firewall, Log::to_lines(lines.clone(), false));
        let web = Table { name: "knock_web".to_owned(), ..ssh() };
        let [full, fixed] = [ssh(), web].map(|table| Slot {
            table: tables.names_mut().index(&table),
            entry: host("192.0.2.7"),
        });
        let now = Monotonic::default();
        tables.add(full, false, now).unwrap_err();
        assert_eq!(tables.delete(&[fixed], now), []);
        let [first, second] = &lines.take()[..] else { panic!("not two lines") };
        let to = "192.0.2.7 to table <knock_ssh>";
        assert!(names_once(first, to, "set limit table-entries"), "{first}");
        let from = "192.0.2.7 from table <knock_web>";
        assert!(names_once(second, from, "drop `const`"), "{second}");
    });
}

#[test]
fn on_openbsd_a_margin_is_kept_over_all_tables_of_all_anchors() {
    let mut kernel = ready(System::OpenBsd);
    kernel.tables.limit = 1_600;
    kernel.tables.define("other", "more", 0);
    kernel.tables.fill("other", "more", 0, 1_499);
    let mut pf = pf(&mut kernel);
    assert_eq!(pf.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
    let error = pf.add(&ssh(), host("192.0.2.8")).unwrap_err();
    says(&error, FirewallErrorKind::Full, &["close to their limit"]);
    for number in 0..200 {
        kernel.tables.define("", &format!("t{number}"), 0);
    }
    says(
        &super::pf(&mut kernel).add(&ssh(), host("::1")).unwrap_err(),
        FirewallErrorKind::Full,
        &[],
    );
}

#[test]
fn a_pf_that_cannot_be_opened_is_said_with_what_to_do() {
    let error = |abi, errno| advice::cannot_open(abi, io::Error::from_raw_os_error(errno));
    let absent = error(&freebsd::ABI, libc::ENOENT);
    says(&absent, FirewallErrorKind::Missing, &["/dev/pf", "`kldload pf`", "No such file"]);
    for abi in [&openbsd::ABI, &macos::ABI] {
        says(&error(abi, libc::ENXIO), FirewallErrorKind::Missing, &["without pf"]);
    }
    says(
        &error(&openbsd::ABI, libc::EACCES),
        FirewallErrorKind::Denied,
        &["as root", "Permission denied"],
    );
    says(
        &error(&openbsd::ABI, libc::EMFILE),
        FirewallErrorKind::System,
        &["/dev/pf: Too many open files"],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_without_pf_says_so() {
    let error = knockd::firewall::pf::open().err().unwrap();
    says(&error, FirewallErrorKind::Unsupported, &["no pf"]);
}
