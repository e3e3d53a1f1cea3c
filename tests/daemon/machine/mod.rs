//! A machine whose clocks the test steps, and that boots when the test says so:
//! a library between the daemon and the kernel.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::net::{Daemon, Lab};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/machine/machine.c");

/// The clocks of a daemon.
pub struct Clock(PathBuf);

impl Clock {
    /// Clocks that show the kernel's time.
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
    let mut environment = vec![("LD_PRELOAD", library().as_os_str())];
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

/// Starts a daemon whose clocks are `passed` ahead of the kernel's.
#[cfg(feature = "faults")]
pub fn start_later(lab: &Lab, config: &Path, passed: std::time::Duration) -> Daemon {
    let clock = Clock::new(lab);
    let nanos = i64::try_from(passed.as_nanos()).unwrap();
    let millis = i64::try_from(passed.as_millis()).unwrap();
    clock.set(nanos, millis);
    start(lab, config, &[], None, Some(&clock))
}

/// Compiles the library, once in a run of the tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine.so");
        // Another run may be using the old one.
        let new = path.with_extension(format!("{}.so", std::process::id()));
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O", "-Wall", "-Werror", "-o"]);
        assert!(command.arg(&new).arg(SOURCE).status().unwrap().success());
        fs::rename(new, &path).unwrap();
        path
    })
}
