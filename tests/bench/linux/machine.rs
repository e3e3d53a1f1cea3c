//! What the figures were measured on, and what else ran there.

use std::fs;
use std::thread;
use std::time::Duration;

use super::net::run;
use crate::report::Report;

pub fn note(report: &mut Report) {
    let line = |program: &str, arguments: &[&str]| run(program, arguments).trim().to_owned();
    let changed = if line("git", &["status", "--porcelain", "-uno"]).is_empty() {
        ""
    } else {
        " with changes"
    };
    report.machine("date", line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    report.machine("commit", line("git", &["rev-parse", "--short", "HEAD"]) + changed);
    report.machine("kernel", line("uname", &["-srm"]));
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().unwrap();
    report.machine("cpu", format!("{}, {cores} cores", model.map_or("?", |(_, name)| name)));
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let busy = busy();
    report.machine("load", format!("{load}, {busy:.0} % busy with other work at the start"));
}

/// How much of all processors others use now, in percent.
fn busy() -> f64 {
    let ticks = || -> (u64, u64) {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let all: Vec<u64> = stat
            .lines()
            .next()
            .unwrap()
            .split_ascii_whitespace()
            .skip(1)
            .map(|ticks| ticks.parse().unwrap())
            .collect();
        (all[..8].iter().sum(), all[3] + all[4])
    };
    let before = ticks();
    thread::sleep(Duration::from_secs(2));
    let after = ticks();
    let (all, idle) = (after.0 - before.0, after.1 - before.1);
    100.0 - 100.0 * idle as f64 / all.max(1) as f64
}
