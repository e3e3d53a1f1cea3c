//! Network interfaces, and which of them a configuration selects.

use std::fmt;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `em0`.
    pub name: String,
    /// The kernel's number for it; a re-created interface gets another one.
    pub index: u32,
    /// Whether it is configured up; a cable may still be missing.
    pub up: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
}

/// An element of `interfaces` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The interfaces to capture on.
    pub selector: Selector,
    /// Whether the daemon refuses to start without one.
    pub required: bool,
}

/// Selects interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The interface of this name, also loopback.
    Name(String),
    /// The interfaces of the default routes of both families, except loopback.
    Egress,
    /// All interfaces that are up, except loopback.
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
    /// The selected interfaces of `present` that are up, at least one. `egress`
    /// names the interfaces of the default routes.
    ///
    /// # Errors
    /// Why there is none, as a text for the log.
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
                let leads_out = |one: &&Interface| !one.loopback && egress.contains(&one.name);
                (up.filter(leads_out).collect(), "there is no default route")
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
        assert!(choose(&Selector::Egress, &["lo0"]).is_err(), "a route to nowhere");
        assert_eq!(choose(&Selector::Egress, &["lo0", "em0"]).unwrap(), ["em0"]);
    }

    #[test]
    fn a_name_means_that_one_even_loopback_and_says_why_not() {
        let name = |name: &str| choose(&Selector::Name(name.to_owned()), &[]);
        assert_eq!(name("lo0").unwrap(), ["lo0"]);
        assert!(name("em1").unwrap_err().contains("down"));
        assert!(name("em9").unwrap_err().contains("no such interface"));
    }
}
