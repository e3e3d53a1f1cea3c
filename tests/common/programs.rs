//! Programs that a test makes for others to run.
//!
//! Another process writes them: what another test starts at this moment would
//! hold our descriptor until its exec, and the kernel runs no file that
//! somebody may still write to.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "every program needs another part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that anybody may run.
pub fn write(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Copies a program so that anybody may run it.
pub fn copy(from: impl AsRef<Path>, to: &Path) {
    let copied =
        Command::new("install").args(["-m", "755"]).arg(from.as_ref()).arg(to).status();
    assert!(copied.unwrap().success(), "{}", to.display());
}
