//! Entries go in, are listed, and go out.

use knockd::core::address::Entry;
use knockd::firewall::pf::table;
use knockd::firewall::{Added, Deleted, Firewall};
use proptest::prelude::*;
use std::net::IpAddr;

use super::fake::System;
use super::{abi, host, on_all, pf, ready, ssh};

#[test]
fn an_address_goes_in_once_and_out_once() {
    on_all(|mut kernel| {
        let mut pf = pf(&mut kernel);
        for address in ["192.0.2.7", "2001:db8::7"] {
            let entry = host(address);
            assert_eq!(pf.delete(&ssh(), entry).unwrap(), Deleted::Absent);
            assert_eq!(pf.add(&ssh(), entry).unwrap(), Added::Added);
            assert_eq!(pf.add(&ssh(), entry).unwrap(), Added::Present);
            assert_eq!(pf.list(&ssh()).unwrap(), [entry]);
            assert_eq!(pf.delete(&ssh(), entry).unwrap(), Deleted::Deleted);
            assert_eq!(pf.list(&ssh()).unwrap(), []);
        }
    });
}

/// An entry of 192.0.2.0/`prefix`, as the kernel keeps it.
fn network(prefix: u8) -> ((u8, [u8; 16], u8), bool) {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[192, 0, 2, 0]);
    ((2, address, prefix), false)
}

#[test]
fn an_entry_is_held_while_it_stands_whoever_put_it_there() {
    on_all(|mut kernel| {
        for address in ["192.0.2.0", "2001:db8::7"] {
            let (entry, mut pf) = (host(address), pf(&mut kernel));
            assert!(!pf.holds(&ssh(), entry).unwrap());
            assert_eq!(pf.add(&ssh(), entry).unwrap(), Added::Added);
            assert!(pf.holds(&ssh(), entry).unwrap());
            assert_eq!(pf.delete(&ssh(), entry).unwrap(), Deleted::Deleted);
            assert!(!pf.holds(&ssh(), entry).unwrap());
        }
        let (theirs, negated) = network(32);
        kernel.tables.entries("", "knock_ssh").insert(theirs, negated);
        assert!(pf(&mut kernel).holds(&ssh(), host("192.0.2.0")).unwrap());
    });
}

#[test]
fn a_network_around_a_host_or_an_exclusion_of_it_is_another_entry() {
    on_all(|mut kernel| {
        let entry = host("192.0.2.0");
        for prefix in [0, 24, 31] {
            kernel.tables.entries("", "knock_ssh").insert(network(prefix).0, false);
            assert!(!pf(&mut kernel).holds(&ssh(), entry).unwrap());
        }
        // Around an exclusion, too, which the address matches first.
        kernel.tables.entries("", "knock_ssh").insert(network(32).0, true);
        assert!(!pf(&mut kernel).holds(&ssh(), entry).unwrap());
        kernel.tables.entries("", "knock_ssh").insert(network(31).0, true);
        kernel.tables.entries("", "knock_ssh").insert(network(32).0, false);
        assert!(pf(&mut kernel).holds(&ssh(), entry).unwrap());
    });
}

#[test]
fn looking_an_entry_up_changes_nothing() {
    on_all(|mut kernel| {
        kernel.tables.fill("", "knock_ssh", 0, 9);
        let before = kernel.tables.entries("", "knock_ssh").clone();
        for address in ["10.0.0.1", "10.0.0.99", "::1"] {
            let _ = pf(&mut kernel).holds(&ssh(), host(address)).unwrap();
        }
        assert_eq!(*kernel.tables.entries("", "knock_ssh"), before);
    });
}

#[test]
fn probing_changes_nothing() {
    on_all(|mut kernel| {
        pf(&mut kernel).probe(&ssh()).unwrap();
        assert!(kernel.tables.entries("", "knock_ssh").is_empty());
    });
}

proptest! {
    #[test]
    fn every_entry_survives_the_way_through_every_kernel(
        address: IpAddr,
        prefix in 0_u8..=128,
        system in prop::sample::select(System::ALL.to_vec()),
    ) {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let entry = Entry::new(address, prefix.min(bits)).unwrap();
        let mut kernel = ready(system);
        let mut pf = pf(&mut kernel);
        prop_assert!(!pf.holds(&ssh(), entry).unwrap());
        prop_assert_eq!(pf.add(&ssh(), entry).unwrap(), Added::Added);
        prop_assert!(pf.holds(&ssh(), entry).unwrap());
        prop_assert_eq!(pf.add(&ssh(), entry).unwrap(), Added::Present);
        prop_assert_eq!(pf.list(&ssh()).unwrap(), [entry]);
        prop_assert_eq!(pf.delete(&ssh(), entry).unwrap(), Deleted::Deleted);
    }

    #[test]
    fn no_listed_bytes_are_misread_as_an_entry_with_stray_bits(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        system in prop::sample::select(System::ALL.to_vec()),
    ) {
        if let Some(entry) = table::decode(abi(system), &bytes) {
            prop_assert_eq!(Entry::new(entry.address(), entry.prefix()), Some(entry));
        }
    }
}

#[test]
fn deleting_a_host_leaves_the_network_around_it() {
    on_all(|mut kernel| {
        let mut pf = pf(&mut kernel);
        let network = Entry::new("192.0.2.0".parse().unwrap(), 24).unwrap();
        assert_eq!(pf.add(&ssh(), network).unwrap(), Added::Added);
        assert_eq!(pf.delete(&ssh(), host("192.0.2.7")).unwrap(), Deleted::Absent);
        assert_eq!(pf.list(&ssh()).unwrap(), [network]);
    });
}

#[test]
fn a_table_of_any_size_is_listed_whole() {
    on_all(|mut kernel| {
        for count in [63, 64, 65, 1_000, 60_000] {
            kernel.tables.entries("", "knock_ssh").clear();
            kernel.tables.fill("", "knock_ssh", 0, count);
            assert_eq!(pf(&mut kernel).list(&ssh()).unwrap().len(), count as usize);
        }
    });
}

#[test]
fn a_table_that_grows_while_it_is_listed_is_listed_whole() {
    on_all(|mut kernel| {
        kernel.tables.fill("", "knock_ssh", 0, 100);
        kernel.meanwhile = Some(|tables| {
            let count = tables.entries("", "knock_ssh").len() as u32;
            if count < 400 {
                tables.fill("", "knock_ssh", count, 100);
            }
        });
        let listed = pf(&mut kernel).list(&ssh()).unwrap().len();
        assert_eq!(listed, kernel.tables.entries("", "knock_ssh").len());
    });
}
