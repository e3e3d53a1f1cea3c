//! What tests of deaths and restarts share: a lab with an entry of somebody
//! else's, and what a lease must have left.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::furnish::edit;
use super::{Lab, Plan};

/// An entry that is somebody else's.
pub const FOREIGN: &str = "192.0.2.200";

/// A lab whose doors ssh and web are open for `span`, and where a stranger's
/// entry stands in the table of ssh. Door mail shares that table, for 3 s. dave
/// may hold many leases.
pub fn guarded(span: &str) -> (Lab, PathBuf) {
    let lab = Lab::new();
    let doors = r#"
        "mail": (table: "knock_ssh", ports: [Tcp(25)], open_for: "3s"),"#;
    let sequences = r#"
        "front": (steps: [Udp(9)], opens: ["mail"], weak: Allowed, strict: false),"#;
    let config = Plan { span, doors, sequences, ..Plan::default() }.furnish(&lab);
    edit(&config, "source: Delegate", "source: Delegate, max_leases: 1000");
    lab.server.nft(&format!("add element inet filter knock_ssh_v4 {{ {FOREIGN} }}"));
    (lab, config)
}

/// What stands in the table of ssh, in order.
pub fn entries(lab: &Lab) -> Vec<String> {
    let mut entries: Vec<_> = lab.set("knock_ssh_v4").split(',').map(str::to_owned).collect();
    entries.retain(|entry| !entry.is_empty());
    entries.sort();
    entries
}

/// Whether a lease of a minute, opened then, has the time left that it must.
pub fn assert_remaining(line: &str, opened: Instant) {
    let left = line.rsplit(", ").next().unwrap().trim_end_matches("s left");
    let left = Duration::from_secs_f64(left.parse().unwrap());
    let passed = opened.elapsed();
    assert!(left <= Duration::from_secs(60), "{line}");
    assert!(left + passed + Duration::from_secs(1) >= Duration::from_secs(60), "{line}");
}
