//! Lists interfaces.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nameindex};

use crate::core::interface::Interface;

/// Returns all interfaces, in the kernel's order.
///
/// # Errors
/// When getifaddrs(3) or if_nameindex(3) fails.
pub fn list() -> io::Result<Vec<Interface>> {
    // getifaddrs(3) has the flags, but also names of mere addresses, and on Linux
    // no index without a hardware address. if_nameindex(3) has the indices.
    let flags: BTreeMap<_, _> =
        getifaddrs()?.map(|entry| (entry.interface_name, entry.flags)).collect();
    let names = if_nameindex()?;
    let interfaces = names.iter().filter_map(|entry| {
        let name = entry.name().to_str().ok()?.to_owned();
        let flags = flags.get(&name)?;
        Some(Interface {
            index: entry.index(),
            up: flags.contains(InterfaceFlags::IFF_UP),
            loopback: flags.contains(InterfaceFlags::IFF_LOOPBACK),
            name,
        })
    });
    Ok(interfaces.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed() {
        let listed = list().unwrap();
        assert!(listed.iter().any(|interface| interface.loopback && interface.index != 0));
    }
}
