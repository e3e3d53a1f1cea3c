//! macOS's property list.
#![forbid(unsafe_code)]

use std::process::Command;

use super::stage::{assert_runs, has, source};

const PLIST: &str = "rc.d/macos/org.knockd.knockd.plist";

/// Prints one value of a property list as JSON.
const VALUE: &str = "import json, plistlib, sys
with open(sys.argv[1], 'rb') as file:
    print(json.dumps(plistlib.load(file).get(sys.argv[2])))";

fn value(key: &str) -> String {
    let mut python = Command::new("python3");
    assert_runs(python.args(["-c", VALUE]).arg(source(PLIST)).arg(key)).trim_end().to_owned()
}

#[test]
fn launchd_is_told_to_keep_knockd_running_in_the_foreground() {
    if !has("python3") {
        return;
    }
    for (key, expected) in [
        ("Label", r#""org.knockd.knockd""#),
        (
            "ProgramArguments",
            r#"["/usr/local/sbin/knockd", "-d", "-f", "/usr/local/etc/knockd.ron"]"#,
        ),
        ("RunAtLoad", "true"),
        ("KeepAlive", "true"),
        ("LegacyTimers", "true"),
        ("StandardErrorPath", r#""/var/log/knockd.log""#),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
}

#[test]
fn the_property_list_survives_a_second_parser() {
    if !has("plistutil") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("binary");
    assert_runs(Command::new("plistutil").arg("-i").arg(source(PLIST)).arg("-o").arg(&binary));
    let text = assert_runs(Command::new("plistutil").arg("-i").arg(&binary));
    assert!(text.contains("<string>org.knockd.knockd</string>"), "{text}");
}
