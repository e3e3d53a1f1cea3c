//! Which interfaces there are, and which of them are meant.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nameindex};

/// A network interface as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `em0`.
    pub name: String,
    /// The kernel's number for it; a re-created interface gets another one.
    pub index: u32,
    /// Whether it is configured up; a cable may still be missing.
    pub up: bool,
    /// Whether it leads back to the same host.
    pub loopback: bool,
}

/// All interfaces, in the kernel's order.
///
/// # Errors
/// When getifaddrs(3) or if_nameindex(3) fails.
pub fn list() -> io::Result<Vec<Interface>> {
    // The one knows flags but also names of mere addresses, and on Linux no
    // index of interfaces without hardware addresses; the other knows indices.
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

/// A way to say on which interfaces to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one of this name, loopback too.
    Name(String),
    /// Those that a default route leads to, of either family.
    Egress,
    /// All that are up, except loopback.
    Any,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name(name) => name,
            Self::Egress => "egress",
            Self::Any => "any",
        })
    }
}

impl Selector {
    /// Those of `present` that it means; at least one. `egress` names the
    /// interfaces of the default routes.
    ///
    /// # Errors
    /// Why there is none, in words for the log.
    pub fn choose<'a>(
        &self,
        present: &'a [Interface],
        egress: &[String],
    ) -> Result<Vec<&'a Interface>, String> {
        let up = present.iter().filter(|interface| interface.up);
        let (chosen, nothing): (Vec<_>, _) = match self {
            Self::Name(name) => {
                let there = present.iter().any(|interface| interface.name == *name);
                let nothing = if there { "it is down" } else { "there is no such interface" };
                (up.filter(|interface| interface.name == *name).collect(), nothing)
            }
            Self::Egress => {
                let chosen = up.filter(|interface| egress.contains(&interface.name)).collect();
                (chosen, "there is no default route")
            }
            Self::Any => {
                (up.filter(|interface| !interface.loopback).collect(), "no interface is up")
            }
        };
        if chosen.is_empty() { Err(nothing.to_owned()) } else { Ok(chosen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> Vec<Interface> {
        let interface = |name: &str, index, up| Interface {
            name: name.to_owned(),
            index,
            up,
            loopback: name.starts_with("lo"),
        };
        vec![
            interface("lo0", 1, true),
            interface("em0", 2, true),
            interface("em1", 3, false),
            interface("vlan7", 4, true),
        ]
    }

    fn choose(selector: &Selector, routes: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<_> = routes.iter().map(|&name| name.to_owned()).collect();
        let present = present();
        let chosen = selector.choose(&present, &names)?;
        Ok(chosen.iter().map(|interface| interface.name.clone()).collect())
    }

    #[test]
    fn any_means_all_that_are_up_but_loopback() {
        assert_eq!(choose(&Selector::Any, &[]).unwrap(), ["em0", "vlan7"]);
    }

    #[test]
    fn egress_means_those_of_the_default_routes() {
        assert_eq!(choose(&Selector::Egress, &["vlan7"]).unwrap(), ["vlan7"]);
        assert!(choose(&Selector::Egress, &[]).unwrap_err().contains("no default route"));
        assert!(choose(&Selector::Egress, &["em1"]).is_err(), "a route over one that is down");
    }

    #[test]
    fn a_name_means_that_one_even_loopback_and_says_why_not() {
        let name = |name: &str| choose(&Selector::Name(name.to_owned()), &[]);
        assert_eq!(name("lo0").unwrap(), ["lo0"]);
        assert!(name("em1").unwrap_err().contains("down"));
        assert!(name("em9").unwrap_err().contains("no such interface"));
    }

    #[test]
    fn the_loopback_interface_is_listed() {
        let listed = list().unwrap();
        assert!(listed.iter().any(|interface| interface.loopback && interface.index != 0));
    }
}
