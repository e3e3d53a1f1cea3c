//! Whether the tests that SECURITY.md names are there.

use std::fs;
use std::path::Path;

const SECURITY: &str = include_str!("../../../SECURITY.md");

#[test]
fn every_test_that_a_promise_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for row in SECURITY.lines().filter(|line| line.starts_with('|')) {
        let mut source = String::new();
        for quoted in row.split('`').skip(1).step_by(2) {
            if quoted.ends_with(".rs") {
                let read = fs::read_to_string(root.join(quoted));
                source = read.unwrap_or_else(|error| panic!("{quoted}: {error}"));
            } else if quoted.contains('_') {
                assert!(source.contains(&format!("fn {quoted}(")), "no test {quoted}");
                found += 1;
            }
        }
    }
    assert!(found > 5, "the table is read as it is written");
}
