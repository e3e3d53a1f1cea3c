//! The pf backend against a kernel made for tests, for each system: what the
//! kernel was seen to do, and what comes of it.
#![forbid(unsafe_code)]

mod entries;
mod fake;
mod refusals;
mod setup;
mod states;

use fake::{Flags, Kernel, System};
use knockd::core::address::Entry;
use knockd::core::door::Table;
use knockd::firewall::pf::{Abi, Pf, freebsd, macos, openbsd};
use knockd::firewall::{FirewallError, FirewallErrorKind};

fn abi(system: System) -> &'static Abi {
    match system {
        System::OpenBsd => &openbsd::ABI,
        System::MacOs => &macos::ABI,
        _ => &freebsd::ABI,
    }
}

fn pf(kernel: &mut Kernel) -> Pf<&mut Kernel> {
    let abi = abi(kernel.system);
    Pf::new(kernel, abi)
}

fn ssh() -> Table {
    Table { anchor: None, name: "knock_ssh".to_owned() }
}

fn anchored() -> Table {
    Table { anchor: Some("knockd".to_owned()), name: "knock_ssh".to_owned() }
}

fn host(text: &str) -> Entry {
    Entry::host(text.parse().unwrap())
}

/// A kernel with the table, persistent and referred to by a rule.
fn ready(system: System) -> Kernel {
    let mut kernel = Kernel::new(system);
    kernel.tables.define("", "knock_ssh", Flags::PERSIST | Flags::REFERENCED);
    kernel
}

/// Runs a test on every system.
fn on_all(test: impl Fn(Kernel)) {
    for system in System::ALL {
        println!("{system:?}");
        test(ready(system));
    }
}

/// The error's kind, and that its text has each of these parts.
fn says(error: &FirewallError, kind: FirewallErrorKind, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind, kind, "{text}");
    assert!(!text.contains('\n'), "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}
