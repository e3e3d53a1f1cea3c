//! The rows that need network namespaces and nftables.

#[path = "../../common/net/mod.rs"]
mod net;
#[path = "../../common/programs.rs"]
mod programs;
#[path = "../../common/security_key.rs"]
mod security_key;

mod doors;
mod flood;
mod floods;
mod leases;
pub mod machine;
mod observe;
mod peers;
mod stand;

use crate::Row;

pub const ROWS: &[Row] = &[
    ("wrong-mark", floods::wrong_mark),
    ("wrong-tag", floods::wrong_tag),
    ("copies", floods::copies),
    ("other-ports", floods::other_ports),
    ("half-done", floods::half_done),
    ("leases", leases::leases),
    ("doors", doors::doors),
    ("command", doors::command),
    ("client", doors::client),
    ("latency", doors::latency),
    ("memory", doors::memory),
    ("knockd", peers::knockd),
    ("fwknopd", peers::fwknopd),
];
