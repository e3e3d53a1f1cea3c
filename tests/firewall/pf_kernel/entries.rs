//! Entries go in, are listed, and go out.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use knockd::core::address::Entry;
use knockd::firewall::pf::{Pf, table};
use knockd::firewall::{Added, Deleted, Firewall};
use knockd::ioctl::Device;
use knockd::ioctl::layout::Request;
use proptest::prelude::*;

use super::fake::{Kernel, System};
use super::{abi, anchored, host, on_all, pf, ready, ssh};

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

/// Hosts 10.0.0.0 + `numbers`.
fn hosts(numbers: Range<u32>) -> Vec<Entry> {
    let address = |number: u32| Ipv4Addr::from_bits(0x0a00_0000 + number);
    numbers.map(|number| Entry::host(address(number).into())).collect()
}

#[test]
fn many_entries_go_in_and_out_by_one_request() {
    on_all(|mut kernel| {
        kernel.tables.fill("", "knock_ssh", 0, 10);
        let (half, all) = (hosts(5..205), hosts(0..300));
        let mut pf = pf(&mut kernel);
        let added = pf.add_missing(&ssh(), &half);
        assert!(added.len() == 200 && added.iter().all(|(_, added)| added.is_ok()));
        let gone = pf.delete_all(&ssh(), &all);
        assert_eq!(gone.iter().map(|(entry, _)| *entry).collect::<Vec<_>>(), all);
        for ((_, deleted), number) in gone.into_iter().zip(0..) {
            let was_there = if number < 205 { Deleted::Deleted } else { Deleted::Absent };
            assert_eq!(deleted.unwrap(), was_there, "{number}");
        }
        assert!(kernel.tables.entries("", "knock_ssh").is_empty());
        // OpenBSD asks twice for the room that is left.
        assert!(kernel.requests <= 4, "{}", kernel.requests);
    });
}

#[test]
fn of_many_entries_the_one_that_pf_refuses_is_named() {
    on_all(|mut kernel| {
        kernel.tables.entries("", "knock_ssh").insert(network(32).0, true);
        let some = [host("192.0.2.8"), host("192.0.2.0"), host("2001:db8::7")];
        let mut pf = pf(&mut kernel);
        for (entry, added) in pf.add_missing(&ssh(), &some) {
            assert_eq!(added.is_err(), entry == some[1], "{entry}: {added:?}");
        }
        assert_eq!(pf.list(&ssh()).unwrap().len(), 2);
        // What excludes an address is not ours.
        let gone = pf.delete_all(&ssh(), &some);
        assert_eq!(gone[1].1.as_ref().unwrap(), &Deleted::Absent);
        assert_eq!(kernel.tables.entries("", "knock_ssh").len(), 1);
    });
}

#[test]
fn a_trace_shows_what_others_change_and_nothing_that_we_do() {
    on_all(|mut kernel| {
        let tables = [ssh(), anchored()];
        kernel.tables.fill("", "knock_ssh", 0, 10);
        let device = RefCell::new(kernel);
        let mut pf = Pf::new(Shared(&device), abi(device.borrow().system));
        let before = pf.traces(&tables);
        assert!(before[0].is_some_and(|trace| !trace.is_exact));
        assert_eq!(before[1], None, "there is no such table");
        let _ = pf.add_missing(&ssh(), &hosts(5..205));
        let _ = pf.delete_all(&ssh(), &hosts(100..300));
        let _ = pf.add(&ssh(), host("192.0.2.7")).unwrap();
        assert_eq!(pf.traces(&tables), before);
        device.borrow_mut().tables.entries("", "knock_ssh").pop_first();
        let after = pf.traces(&tables);
        assert_ne!(after, before);
        device.borrow_mut().tables.flush();
        assert_eq!(pf.traces(&tables), [None, None]);
    });
}

/// A kernel that others change meanwhile.
struct Shared<'k>(&'k RefCell<Kernel>);

impl Device for Shared<'_> {
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()> {
        (&mut *self.0.borrow_mut()).ioctl(request, argument, memory)
    }
}
