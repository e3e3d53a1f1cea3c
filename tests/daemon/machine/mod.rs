//! A machine whose clocks the test steps, and that boots when the test says so:
//! a library between the daemon and the kernel.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::net::{Daemon, Lab};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/machine/machine.c");

/// The clocks of a daemon.
pub struct Clock(PathBuf);

impl Clock {
    /// Clocks that go as the kernel's.
    pub fn new(lab: &Lab) -> Self {
        let path = lab.path("clock");
        fs::write(&path, [0; 16]).unwrap();
        Self(path)
    }

    /// Adds so many nanoseconds to the clock for spans, and so many
    /// milliseconds to civil time. In place: the file is mapped.
    pub fn set(&self, nanos: i64, millis: i64) {
        let bytes = [nanos.to_ne_bytes(), millis.to_ne_bytes()].concat();
        let file = fs::OpenOptions::new().write(true).open(&self.0).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
    }
}

/// Starts a daemon in the boot of that name, by those clocks.
pub fn start(
    lab: &Lab,
    config: &Path,
    options: &[&str],
    boot: Option<&str>,
    clock: Option<&Clock>,
) -> Daemon {
    let library = library(lab);
    let mut environment = vec![("LD_PRELOAD", library.as_os_str())];
    let boot = boot.map(|name| {
        let path = lab.path(&format!("boot-{name}"));
        fs::write(&path, name).unwrap();
        path
    });
    environment.extend(boot.iter().map(|path| ("KNOCKD_BOOT", path.as_os_str())));
    environment.extend(
        clock.map(|Clock(path)| -> (&str, &OsStr) { ("KNOCKD_CLOCK", path.as_os_str()) }),
    );
    lab.start_in(config, options, &environment)
}

/// Compiles it, once a lab, with what links Rust programs, too.
fn library(lab: &Lab) -> PathBuf {
    let path = lab.path("machine.so");
    if !path.exists() {
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O", "-Wall", "-Werror", "-o"]);
        assert!(command.arg(&path).arg(SOURCE).status().unwrap().success());
    }
    path
}
