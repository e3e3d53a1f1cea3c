//! What the packet filter that runs makes of the doors.
#![forbid(unsafe_code)]

pub mod machine;
pub mod packet_filter;

use crate::config::Config;
use crate::core::finding::{Finding, Grade};
use crate::firewall::Guarded;

/// What of the live packet filter would make the doors of `config` useless, or
/// lets everybody in anyway: for who checks a configuration before a start.
pub fn guard_rails(config: &Config) -> Vec<Finding> {
    let mut findings = check(config, &machine::meant(&config.interfaces));
    findings.retain(|finding| finding.grade != Grade::Ok);
    findings
}

/// What the packet filter makes of the doors of `config`, to packets that come
/// in through `interfaces`.
pub fn check(config: &Config, interfaces: &[String]) -> Vec<Finding> {
    let doors = &config.policy.doors;
    let mut findings = match config.firewall.open() {
        Ok(mut firewall) => packet_filter::check(firewall.as_mut(), doors, interfaces),
        Err(error) => vec![packet_filter::closed(&error)],
    };
    let backend = config.firewall.backend();
    let (token_ports, machine) = (config.policy.token_ports(), machine::look());
    let token_ports = &token_ports;
    findings.extend(match backend.judge {
        Some(judge) => judge(&Guarded { doors, token_ports, interfaces, machine: &machine }),
        None if backend.enforces => vec![packet_filter::unread(backend)],
        None => Vec::new(),
    });
    findings
}
