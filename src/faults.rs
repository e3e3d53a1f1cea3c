//! What tests do to a daemon that nobody can do from outside: kill it at a
//! named step, and step its clocks.
//!
//! Only with the feature `faults`, which no package has. Without it everything
//! here does nothing.
#![forbid(unsafe_code)]

#[cfg(feature = "faults")]
mod on {
    use std::env;
    use std::fs::OpenOptions;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::poll::PollTimeout;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use crate::core::time::{Monotonic, Now};
    use crate::sys::test_clock;

    /// The longest sleep of any process: stepped clocks announce nothing.
    pub fn longest_sleep() -> PollTimeout {
        if test_clock::is_there() { PollTimeout::from(20_u8) } else { PollTimeout::NONE }
    }

    static ROLE: Mutex<&str> = Mutex::new("");
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// Looks at what the environment asks for, before anything is confined.
    pub fn init() {
        test_clock::init();
    }

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
        if let Ok(path) = env::var("KNOCKD_FAULT_ONCE")
            && OpenOptions::new().write(true).create_new(true).open(path).is_err()
        {
            return;
        }
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }

    /// The time that the test wants it to be.
    pub fn step(now: Now) -> Now {
        test_clock::step(now)
    }

    /// The system's name for a moment of [`step`]'s clock.
    pub fn real(moment: Monotonic) -> Monotonic {
        test_clock::real(moment)
    }
}

#[cfg(not(feature = "faults"))]
mod off {
    use nix::poll::PollTimeout;

    use crate::core::time::{Monotonic, Now};

    /// No bound.
    #[must_use]
    pub const fn longest_sleep() -> PollTimeout {
        PollTimeout::NONE
    }

    /// Nothing.
    pub const fn init() {}

    /// Nothing.
    pub const fn role(_name: &'static str) {}

    /// Nothing.
    pub const fn point(_name: &str) {}

    /// The time that it is.
    #[must_use]
    pub const fn step(now: Now) -> Now {
        now
    }

    /// The moment itself.
    #[must_use]
    pub const fn real(moment: Monotonic) -> Monotonic {
        moment
    }
}

#[cfg(not(feature = "faults"))]
pub use off::*;
#[cfg(feature = "faults")]
pub use on::*;
