//! What packets, leases and tokens cost, and how long a door takes to open:
//! the real programs between network namespaces, and their peers from Debian in
//! the same run. `tests/bench/run` builds and starts it.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may")]

#[cfg(target_os = "linux")]
mod linux;
#[path = "../common/policy.rs"]
mod policy;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "for more rows"))]
mod report;
mod users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use report::Report;

/// A row of the table: its name, and what adds its figures.
type Row = (&'static str, fn(&mut Report));

#[cfg(not(target_os = "linux"))]
const ON_THIS_SYSTEM: &[Row] = &[];
#[cfg(target_os = "linux")]
use linux::ROWS as ON_THIS_SYSTEM;

fn main() -> ExitCode {
    let rows: Vec<Row> = [ON_THIS_SYSTEM, &[("users", users::users)]].concat();
    // cargo adds --bench.
    let mut names: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if names == ["--list"] {
        rows.iter().for_each(|(row, _)| println!("{row}"));
        return ExitCode::SUCCESS;
    }
    let is_json = names.iter().any(|word| word == "--json");
    names.retain(|word| word != "--json");
    if let Some(odd) = names.iter().find(|name| rows.iter().all(|(row, _)| row != *name)) {
        eprintln!("no row is called {odd}; --list names them");
        return ExitCode::from(2);
    }
    let mut report = Report::default();
    #[cfg(target_os = "linux")]
    linux::machine::note(&mut report);
    let mut failed = false;
    for (row, measure) in rows {
        if names.is_empty() || names.iter().any(|name| name == row) {
            eprintln!("{row} ...");
            report.begin(row);
            // A row that cannot be measured keeps no other from it.
            if catch_unwind(AssertUnwindSafe(|| measure(&mut report))).is_err() {
                failed = true;
                report.add("failed", f64::NAN, "", "see above");
            }
        }
    }
    print!("{}", if is_json { report.json() } else { report.table() });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
