//! Checks what the live packet filter does with the doors.
#![forbid(unsafe_code)]

pub mod machine;
pub mod packet_filter;

use nix::unistd::geteuid;

use crate::config::Config;
use crate::core::finding::{Finding, Grade};
use crate::firewall::Guarded;

/// Returns what in the live packet filter makes the doors of `config` useless, or
/// lets everybody in: for a check of the configuration before a start.
pub fn guard_rails(config: &Config) -> Vec<Finding> {
    let mut findings = check(config, &machine::names(&config.interfaces));
    findings.retain(|finding| finding.grade != Grade::Ok);
    findings
}

/// Checks the packet filter for the doors of `config` and for packets that come in
/// through `interfaces`.
pub fn check(config: &Config, interfaces: &[String]) -> Vec<Finding> {
    let doors = &config.policy.doors;
    let mut firewall = match config.firewall.open() {
        Ok(firewall) => firewall,
        // Its rules cannot be read either.
        Err(error) => return vec![packet_filter::closed(&error, geteuid().is_root())],
    };
    let (mut findings, filtered) = packet_filter::check(firewall.as_mut(), doors, interfaces);
    let backend = config.firewall.backend();
    let (token_ports, machine) = (config.policy.token_ports(), machine::look());
    let token_ports = &token_ports;
    findings.extend(match (backend.judge, &filtered) {
        (Some(judge), Some(interfaces)) => {
            judge(&Guarded { doors, token_ports, interfaces, machine: &machine })
        }
        (None, _) if backend.enforces => vec![packet_filter::unread(backend)],
        _ => Vec::new(),
    });
    findings
}
