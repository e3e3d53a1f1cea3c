//! What the packet filter that runs makes of the doors.
#![forbid(unsafe_code)]

pub mod machine;
pub mod packet_filter;

use crate::config::Config;
use crate::core::finding::{Finding, Grade};
use crate::firewall::{self, Choice, Guarded, pf::ruleset};

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
    let mut findings = match firewall::open(&config.firewall) {
        Ok(mut firewall) => packet_filter::check(firewall.as_mut(), doors, interfaces),
        Err(error) => vec![packet_filter::closed(&error)],
    };
    let (token_ports, machine) = (config.policy.token_ports(), machine::look());
    let token_ports = &token_ports;
    findings.extend(match config.firewall {
        Choice::Pf => {
            ruleset::judge(&Guarded { doors, token_ports, interfaces, machine: &machine })
        }
        Choice::Nft { .. } => vec![Finding::warning("rules", packet_filter::ONLY_PF)],
        Choice::Memory => Vec::new(),
    });
    findings
}
