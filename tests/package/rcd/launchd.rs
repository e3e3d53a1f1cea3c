//! macOS's property lists.
#![forbid(unsafe_code)]

use std::process::Command;

use super::stage::{assert_runs, source};

const DAEMON: &str = "rc.d/macos/org.knockd.knockd.plist";
const ANCHOR: &str = "rc.d/macos/org.knockd.pf.plist";

/// Prints one value of a property list as JSON.
const VALUE: &str = "import json, plistlib, sys
with open(sys.argv[1], 'rb') as file:
    print(json.dumps(plistlib.load(file).get(sys.argv[2])))";

#[track_caller]
fn assert_says(plist: &str, values: &[(&str, &str)]) {
    needs!(tool("python3"));
    for (key, expected) in values {
        let mut python = Command::new("python3");
        let said = assert_runs(python.args(["-c", VALUE]).arg(source(plist)).arg(key));
        assert_eq!(said.trim_end(), *expected, "{key}");
    }
}

#[test]
fn launchd_keeps_knockd_running_in_the_foreground() {
    assert_says(
        DAEMON,
        &[
            ("Label", r#""org.knockd.knockd""#),
            (
                "ProgramArguments",
                r#"["/usr/local/sbin/knockd", "-d", "-f", "/usr/local/etc/knockd.ron"]"#,
            ),
            ("RunAtLoad", "true"),
            ("KeepAlive", r#"{"PathState": {"/usr/local/etc/knockd.ron": true}}"#),
            ("LegacyTimers", "true"),
            ("StandardErrorPath", r#""/var/log/knockd.log""#),
        ],
    );
}

#[test]
fn launchd_loads_the_anchor_once_at_boot() {
    assert_says(
        ANCHOR,
        &[
            ("Label", r#""org.knockd.pf""#),
            (
                "ProgramArguments",
                r#"["/sbin/pfctl", "-a", "org.knockd", "-f", "/usr/local/etc/knockd.pf"]"#,
            ),
            ("RunAtLoad", "true"),
            ("KeepAlive", "null"),
        ],
    );
}

#[test]
fn the_property_lists_survive_a_second_parser() {
    needs!(tool("plistutil"));
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("binary");
    for (plist, label) in [(DAEMON, "org.knockd.knockd"), (ANCHOR, "org.knockd.pf")] {
        let mut convert = Command::new("plistutil");
        assert_runs(convert.arg("-i").arg(source(plist)).arg("-o").arg(&binary));
        let text = assert_runs(Command::new("plistutil").arg("-i").arg(&binary));
        assert!(text.contains(&format!("<string>{label}</string>")), "{text}");
    }
}
