//! Judges pf's rules by what `pfctl -sr` prints.
//!
//! [`words`] splits a line, [`mod@line`] parses it, [`parts`] parses its addresses
//! and ports, [`groups`] those of interfaces, [`read`] reads the lines of anchors too, [`fate`] follows a packet
//! through all of them, [`verdict`] judges what that means for the doors.
//!
//! pf.conf(5): the last line that matches a packet decides, or the first with
//! `quick`; what no line matches passes. A line with a word that is unknown here may
//! match or not: everything that it could change is in doubt, and is reported with
//! that line.
#![forbid(unsafe_code)]

pub mod fate;
pub mod groups;
pub mod line;
mod options;
pub mod parts;
pub mod pfctl;
pub mod read;
pub mod services;
pub mod share;
pub mod verdict;
pub mod words;

use std::path::Path;

use nix::unistd::geteuid;

use crate::core::finding::Finding;
use crate::firewall::Guarded;
use services::Services;
use share::Entrance;
use verdict::Site;

/// Asks pfctl for the rules, and judges them.
#[must_use]
pub fn judge(guarded: &Guarded<'_>) -> Vec<Finding> {
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let program = Path::new(pfctl::PROGRAM);
    let mut ask = |arguments: &[&str]| pfctl::ask(program, arguments, pfctl::PATIENCE);
    let &Guarded { doors, token_ports, interfaces, machine } = guarded;
    match read::read(&mut ask, &Services::parse(&services)) {
        Ok(lines) => {
            // Without an answer, groups are in doubt.
            let ifconfig = Path::new(groups::PROGRAM);
            let printed = pfctl::ask(ifconfig, &["-a"], pfctl::PATIENCE).unwrap_or_default();
            let entrances = Entrance::all(interfaces, &printed);
            Site { lines: &lines, entrances: &entrances, machine }.judge(doors, token_ports)
        }
        Err(why) => {
            let advice = if geteuid().is_root() { "" } else { ": run knockctl as root" };
            vec![Finding::warning("rules", format!("{why}{advice}"))]
        }
    }
}
