//! Steps of the daemon at which tests kill it, and the engine's place, in which
//! they put a program of their own.
//!
//! Only with the feature `faults`, which no package has. Without it everything
//! here does nothing.
#![forbid(unsafe_code)]

#[cfg(feature = "faults")]
mod on {
    use std::env;
    use std::fs::OpenOptions;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    static ROLE: Mutex<&str> = Mutex::new("");
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// This process is called `name` from now on.
    pub fn role(name: &'static str) {
        if let Ok(mut role) = ROLE.lock() {
            *role = name;
        }
    }

    /// Dies here if `KNOCKD_FAULT` says `ROLE:NAME:COUNT`, and this is that
    /// process and the COUNTth time that it passes. `KNOCKD_FAULT_ONCE` names a
    /// file that is made then; once it is there, nobody dies any more.
    pub fn point(name: &str) {
        let Ok(wanted) = env::var("KNOCKD_FAULT") else { return };
        let mut parts = wanted.split(':');
        let role = ROLE.lock().map_or("", |role| *role);
        if parts.next() != Some(role) || parts.next() != Some(name) {
            return;
        }
        let count = parts.next().and_then(|count| count.parse().ok()).unwrap_or(1);
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 != count {
            return;
        }
        if is_first("KNOCKD_FAULT_ONCE") {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }

    /// The program that `KNOCKD_ENGINE` puts in the engine's place.
    /// `KNOCKD_ENGINE_ONCE` names a file that is made then; once it is there,
    /// engines are the daemon's own again.
    pub fn engine() -> Option<PathBuf> {
        let program = env::var_os("KNOCKD_ENGINE")?;
        is_first("KNOCKD_ENGINE_ONCE").then(|| program.into())
    }

    /// Whether the file that `variable` names could be made; without one it is
    /// always the first time.
    fn is_first(variable: &str) -> bool {
        let new = |path| OpenOptions::new().write(true).create_new(true).open(path);
        env::var_os(variable).is_none_or(|path| new(path).is_ok())
    }
}

#[cfg(not(feature = "faults"))]
mod off {
    /// Nothing.
    pub const fn role(_name: &'static str) {}

    /// Nothing.
    pub const fn point(_name: &str) {}

    /// None.
    #[must_use]
    pub const fn engine() -> Option<std::path::PathBuf> {
        None
    }
}

#[cfg(not(feature = "faults"))]
pub use off::*;
#[cfg(feature = "faults")]
pub use on::*;
