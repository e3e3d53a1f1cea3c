//! The fields `interfaces`, `firewall` and `directories`.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::shape;
use crate::config::Directories;
use crate::config::position::Spot;
use crate::config::problem::Report;
use crate::config::raw;
use crate::core::interface::{Selection, Selector};
use crate::core::{name, printable};
use crate::firewall::{Backend, Choice, NATIVE};

/// The default account of the engine.
pub const USER: &str = "_knockd";

/// Returns the interfaces to capture on. The default is those with a default route.
pub fn interfaces(
    raw: &raw::Configuration,
    at: Spot<'_>,
    report: &mut Report,
) -> Vec<Selection> {
    let default = [String::from("egress")];
    let names = raw.interfaces.as_deref().unwrap_or(&default);
    let required = &raw.required_interfaces;
    if names.is_empty() {
        report.error(at.field("interfaces"), "no interface, name one, or egress or any");
    }
    interface_names(names, at.field("interfaces"), report);

    let at = at.field("required_interfaces");
    interface_names(required, at, report);
    for (ordinal, name) in required.iter().enumerate() {
        if !names.contains(name) {
            let name = shape::quoted(name);
            let text = format!("interface {name} is required, add it to interfaces");
            report.error(at.item(ordinal), text);
        }
    }
    let interface = |name: &String| Selection {
        selector: match name.as_str() {
            "egress" => Selector::Egress,
            "any" => Selector::Any,
            _ => Selector::Name(name.clone()),
        },
        required: required.contains(name),
    };
    names.iter().map(interface).collect()
}

fn interface_names(names: &[String], at: Spot<'_>, report: &mut Report) {
    let mut seen = HashSet::new();
    for (ordinal, name) in names.iter().enumerate() {
        if !name::is_interface(name) {
            let text = "must be 1 to 15 bytes of letters, digits, _ . : and -";
            report.error(at.item(ordinal), format!("interface {} {text}", shape::quoted(name)));
        } else if !seen.insert(name) {
            report.error(at.item(ordinal), format!("interface {name} is named twice"));
        }
    }
}

/// Returns the firewall. The default is that of the system.
pub fn firewall(raw: Option<&Choice>, at: Spot<'_>, report: &mut Report) -> Choice {
    let Some(choice) = raw else {
        return NATIVE.default.clone().unwrap_or_else(|why| {
            report.error(at, why);
            Choice::NONE
        });
    };
    if let Some((field, fault)) = choice.fault() {
        report.error(at.field(field), fault);
    }
    choice.clone()
}

/// Checks that the firewall can do what the configuration asks for.
pub fn abilities(
    raw: &raw::Configuration,
    at: Spot<'_>,
    backend: &Backend,
    report: &mut Report,
) {
    for (field, asked) in [
        ("create_tables", raw.create_tables && !backend.creates_tables),
        ("enable_pf", raw.enable_pf && !backend.counts_references),
    ] {
        if asked {
            let text = format!("{} does not support {field}, remove it", backend.title);
            report.error(at.field(field), text);
        }
    }
}

/// Returns the directories. The default for secrets is relative to `base`, the
/// directory of the configuration.
pub fn directories(
    raw: &raw::Directories,
    at: Spot<'_>,
    base: &Path,
    report: &mut Report,
) -> Directories {
    let mut directory = |field: &str, written: &Option<String>, default: PathBuf| {
        let Some(path) = written else { return default };
        if !Path::new(path).is_absolute() || path.chars().any(printable::is_unprintable) {
            let path = shape::quoted(path);
            let text = format!("directory {path} must be an absolute printable path");
            report.error(at.field("directories").field(field), text);
        }
        PathBuf::from(path)
    };
    let directories = Directories {
        secrets: directory("secrets", &raw.secrets, base.join("knockd")),
        state: directory("state", &raw.state, PathBuf::from("/var/db/knockd")),
        run: directory("run", &raw.run, PathBuf::from("/var/run/knockd")),
    };
    let Directories { secrets, state, run } = &directories;
    let at = at.field("directories");
    for (field, path, others) in [
        ("state", state, &[("secrets", secrets)][..]),
        ("run", run, &[("secrets", secrets), ("state", state)]),
    ] {
        for (other, _) in others.iter().filter(|(_, taken)| *taken == path) {
            let path = shape::quoted(&path.to_string_lossy());
            let text = format!("directory {path} is already used for {other}, name another");
            report.error(at.field(field), text);
        }
    }
    directories
}
