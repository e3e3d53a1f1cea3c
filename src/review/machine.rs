//! The interfaces and addresses of the machine.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use crate::capture::interfaces;
use crate::capture::system;
use crate::core::interface::{Interface, Selection, Selector};
use crate::firewall::Machine;

/// Returns what the system reports of itself. What it does not report is empty.
#[must_use]
pub fn look() -> Machine {
    let interfaces = interfaces::list().unwrap_or_default();
    let addresses = getifaddrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let address = |entry: &nix::ifaddrs::InterfaceAddress| -> Option<IpAddr> {
        let address = entry.address.as_ref()?;
        let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
        v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
    };
    Machine {
        interfaces: interfaces.into_iter().map(|interface| interface.name).collect(),
        addresses: addresses.iter().filter_map(address).collect(),
    }
}

/// Returns the names of the interfaces that `wanted` selects now.
#[must_use]
pub fn names(wanted: &[Selection]) -> Vec<String> {
    let present = interfaces::list().unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for Selection { selector, .. } in wanted {
        let chosen = selector.choose(&present, &egress()).unwrap_or_default();
        let chosen = chosen.iter().map(|Interface { name, .. }| name.clone());
        names.extend(chosen);
        if let Selector::Name(name) = selector {
            names.push(name.clone());
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn egress() -> Vec<String> {
    system::egress().unwrap_or_default()
}
