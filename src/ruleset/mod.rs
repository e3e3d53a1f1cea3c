//! What the packet filter that runs makes of the doors: [`packet_filter`] asks
//! it, and follows packets through the rules that `pfctl -sr` prints.
//!
//! [`words`] cuts a line, [`mod@line`] gives it a meaning, [`parts`] are the
//! meanings of addresses and ports, [`read`] puts the lines of anchors where
//! they are called, [`fate`] follows a packet through all of it, [`verdict`]
//! says what that means for the doors.
//!
//! pf.conf(5): the last line that matches a packet decides, or the first with
//! `quick`; what no line matches passes. A line with a word that is not known
//! here may match or not: it puts everything that it could change in doubt,
//! and the doubt is told with the line that caused it.
#![forbid(unsafe_code)]

use std::path::Path;

use crate::config::Config;
use crate::firewall::{self, Choice};

pub mod fate;
pub mod finding;
pub mod line;
pub mod machine;
mod options;
pub mod packet_filter;
pub mod parts;
pub mod pfctl;
pub mod read;
pub mod services;
pub mod share;
pub mod verdict;
pub mod words;

use finding::{Finding, Grade};
use services::Services;
use verdict::Site;

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
    let mut findings = packet_filter(config, interfaces);
    findings.extend(rules(config, interfaces));
    findings
}

fn packet_filter(config: &Config, interfaces: &[String]) -> Vec<Finding> {
    match firewall::open(&config.firewall) {
        Ok(mut firewall) => {
            packet_filter::check(firewall.as_mut(), &config.policy.doors, interfaces)
        }
        Err(error) => vec![packet_filter::closed(&error)],
    }
}

fn rules(config: &Config, interfaces: &[String]) -> Vec<Finding> {
    match config.firewall {
        Choice::Pf => {}
        Choice::Nft { .. } => return vec![Finding::warning("rules", packet_filter::ONLY_PF)],
        Choice::Memory => return Vec::new(),
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let program = Path::new(pfctl::PROGRAM);
    let mut ask = |arguments: &[&str]| pfctl::ask(program, arguments, pfctl::PATIENCE);
    match read::read(&mut ask, &Services::parse(&services)) {
        Ok(lines) => {
            let (machine, entrances) = (machine::look(), machine::entrances(interfaces));
            let site = Site { lines: &lines, entrances: &entrances, machine: &machine };
            judge(config, &site)
        }
        Err(why) => vec![Finding::warning("rules", format!("{why}: run knockctl as root"))],
    }
}

/// What the rules mean for everything that the configuration promises.
#[must_use]
pub fn judge(config: &Config, site: &Site<'_>) -> Vec<Finding> {
    let doors = config.policy.doors.iter().flat_map(|door| site.door(door));
    let spa = config.policy.token_ports().into_iter().flat_map(|port| site.spa(port));
    doors.chain(spa).chain(site.unread()).collect()
}
