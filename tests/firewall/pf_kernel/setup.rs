//! Tables come and go, pf is on or off, rules refer to tables or do not.

use knockd::core::door::Table;
use knockd::firewall::{Added, Firewall, FirewallErrorKind, Status, Warning};

use super::fake::{Flags, System, key};
use super::{anchored, host, on_all, pf, ready, says, ssh};

#[test]
fn a_created_table_persists_and_creating_it_again_keeps_it() {
    on_all(|mut kernel| {
        kernel.tables.flush();
        let mut pf = pf(&mut kernel);
        pf.create(&ssh()).unwrap();
        assert_eq!(pf.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        pf.create(&ssh()).unwrap();
        assert_eq!(pf.list(&ssh()).unwrap(), [host("192.0.2.7")]);
        assert_ne!(kernel.tables.all[&key("", "knock_ssh")].0.0 & Flags::PERSIST, 0);
    });
}

#[test]
fn a_table_in_an_anchor_is_another_than_that_of_the_main_ruleset() {
    on_all(|mut kernel| {
        kernel.tables.flush();
        let mut pf = pf(&mut kernel);
        pf.create(&anchored()).unwrap();
        assert_eq!(pf.add(&anchored(), host("192.0.2.7")).unwrap(), Added::Added);
        let slashed = Table { anchor: Some("/knockd".to_owned()), ..anchored() };
        assert_eq!(pf.list(&slashed).unwrap(), [host("192.0.2.7")]);
        says(&pf.list(&ssh()).unwrap_err(), FirewallErrorKind::Missing, &["/etc/pf.conf"]);
    });
}

#[test]
fn a_disabled_pf_takes_addresses_and_is_said_to_be_disabled() {
    on_all(|mut kernel| {
        kernel.running = false;
        let mut pf = pf(&mut kernel);
        assert_eq!(pf.add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
        assert_eq!(pf.status().unwrap(), Status::Disabled);
        let warnings = pf.review(&[ssh()], &[]).unwrap();
        assert!(matches!(warnings[..], [Warning::Disabled(_)]), "{warnings:?}");
        assert!(warnings[0].to_string().contains("pf"), "{}", warnings[0]);
    });
}

#[test]
fn loading_pf_conf_keeps_a_table_without_a_list_and_resets_one_with() {
    on_all(|mut kernel| {
        let _ = pf(&mut kernel).add(&ssh(), host("192.0.2.7")).unwrap();
        kernel.tables.reload(&[("knock_ssh", None)]);
        assert_eq!(pf(&mut kernel).list(&ssh()).unwrap(), [host("192.0.2.7")]);
        kernel.tables.reload(&[("knock_ssh", Some(Default::default()))]);
        assert_eq!(pf(&mut kernel).list(&ssh()).unwrap(), []);
        assert_eq!(pf(&mut kernel).add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
    });
}

#[test]
fn a_flushed_table_is_missing_until_it_is_back_and_then_empty() {
    on_all(|mut kernel| {
        let _ = pf(&mut kernel).add(&ssh(), host("192.0.2.7")).unwrap();
        kernel.tables.flush();
        says(&pf(&mut kernel).list(&ssh()).unwrap_err(), FirewallErrorKind::Missing, &[]);
        kernel.tables.reload(&[("knock_ssh", None)]);
        assert_eq!(pf(&mut kernel).add(&ssh(), host("192.0.2.7")).unwrap(), Added::Added);
    });
}

#[test]
fn what_no_rule_refers_to_is_said() {
    on_all(|mut kernel| {
        kernel.tables.define("", "idle", Flags::PERSIST);
        kernel.tables.define("knockd", "knock_ssh", Flags::PERSIST);
        let mut pf = pf(&mut kernel);
        let idle = Table { anchor: None, name: "idle".to_owned() };
        let elsewhere = Table { anchor: Some("no".to_owned()), name: "where".to_owned() };
        let warnings = pf.review(&[ssh(), idle.clone(), anchored(), elsewhere], &[]).unwrap();
        let expected = [idle, anchored()].map(Warning::Unreferenced);
        assert_eq!(warnings, expected);
        assert!(warnings[0].to_string().contains("no rule refers to table <idle>"));
    });
}

#[test]
fn an_interface_that_pf_skips_is_said_however_many_there_are() {
    on_all(|mut kernel| {
        let skipped = |number| number == 5 || number == 130;
        kernel.interfaces =
            (0..140).map(|number| (format!("em{number}"), skipped(number))).collect();
        let names = ["em1", "em5", "em130", "em13"].map(str::to_owned);
        let warnings = pf(&mut kernel).review(&[], &names).unwrap();
        let expected: Vec<_> = if kernel.system == System::FreeBsd12 {
            Vec::new() // its records are others; nothing is claimed
        } else {
            ["em5", "em130"].map(|name| Warning::Skipped(name.to_owned())).to_vec()
        };
        assert_eq!(warnings, expected);
    });
}

#[test]
fn macos_is_enabled_by_a_reference_that_is_given_back() {
    let mut kernel = ready(System::MacOs);
    kernel.running = false;
    let token = pf(&mut kernel).enable().unwrap();
    let other = pf(&mut kernel).enable().unwrap();
    assert_eq!((kernel.running, kernel.tokens.clone()), (true, vec![token, other]));
    pf(&mut kernel).release(token).unwrap();
    assert!(kernel.running, "the other still holds it");
    pf(&mut kernel).release(token).unwrap();
    pf(&mut kernel).release(other).unwrap();
    assert!(!kernel.running);
    pf(&mut kernel).release(other).unwrap();
}

#[test]
fn elsewhere_enabling_is_the_administrator_s() {
    for system in [System::FreeBsd15, System::OpenBsd] {
        let mut kernel = ready(system);
        says(&pf(&mut kernel).enable().unwrap_err(), FirewallErrorKind::Unsupported, &["pf"]);
        pf(&mut kernel).release(7).unwrap();
    }
}
