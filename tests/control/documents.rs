//! What knockctl prints for other programs.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::program::text;
use super::stage::Stage;
use crate::needs;

/// Parses `document` with another program. Returns the value of `query` there.
fn queried(document: &str, query: &str) -> Option<String> {
    let program = format!("import json, sys\nit = json.load(sys.stdin)\nprint({query})");
    if !needs::tool("python3") {
        return None;
    }
    let python = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = python.unwrap();
    let document = document.to_owned();
    let mut input = python.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(document.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "no JSON");
    Some(text(&output.stdout))
}

#[test]
fn json_output_is_one_document() {
    let mut stage = Stage::new();
    (stage.desk.leases, stage.desk.doors) = (100_000, 2);
    let document = stage.prints(&["show", "-j"]);
    let query =
        "len(it['doors']), len(it['leases']), it['leases'][0], it['doors'][1]['leases']";
    let lease = "{'door': 'ssh', 'address': '10.0.0.0', 'holder': 'user', 'user': 'alice', \
                 'age': 5.0, 'remaining': 54.321, 'foreign': False}";
    if let Some(answer) = queried(&document, query) {
        assert_eq!(answer, format!("2 100000 {lease} 1\n"));
    }
    let document = stage.prints(&["show", "stats", "-j"]);
    if let Some(answer) = queried(&document, "it['opened'], it['refused.stale']") {
        assert_eq!(answer, "7 2\n");
    }
}

/// Whether `line` is a sample: a name, labels in braces, one value.
fn is_sample_of(line: &str, family: &str) -> bool {
    let (name, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let own = name.strip_prefix(family).unwrap_or("no");
    ["", "_total", "_bucket", "_count", "_sum"].contains(&own)
        && name.chars().all(is_name)
        && labels.ends_with('}')
        && value.parse::<f64>().is_ok()
}

#[test]
fn each_metric_appears_once_and_the_end_is_marked() {
    let mut stage = Stage::new();
    stage.desk.doors = 3;
    let metrics = stage.prints(&["metrics"]);
    assert!(metrics.contains("\nknockd_refused_total{reason=\"stale\"} 2\n"), "{metrics}");
    let samples = metrics.strip_suffix("\n# EOF\n").unwrap();
    let (mut families, mut family) = (Vec::new(), "");
    for line in samples.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().unwrap();
            assert!(!families.contains(&family), "{family} comes twice");
            families.push(family);
        } else if let Some(described) = line.strip_prefix("# HELP ") {
            assert_eq!(described.split(' ').next(), Some(family));
        } else {
            assert!(is_sample_of(line, family), "{line}");
        }
    }
    assert_eq!(families.len(), 6, "{families:?}");
}
