//! What a test needs of the machine. Without it the test is skipped and says
//! why; where KNOCKD_TESTS_STRICT is set, a need that can be met is a failure.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_macros, reason = "every program needs another part of it")]

use std::path::PathBuf;

/// Ends the test here unless the machine has all of these: `needs!(root)`,
/// `needs!(tool("ksh"), system(has_ipv6(), "IPv6"))`.
macro_rules! needs {
    ($($need:ident $(($($argument:expr),+))?),+) => {
        $(if !crate::needs::$need($($($argument),+)?) {
            return;
        })+
    };
}

/// Whether a need is met; says so if not.
pub fn met(is_met: bool, what: &str) -> bool {
    if !is_met {
        assert!(std::env::var_os("KNOCKD_TESTS_STRICT").is_none(), "needs {what}");
        // tests/run collects these lines.
        println!("skipped: needs {what}");
    }
    is_met
}

/// Whether the system has what nobody can install: never a failure.
pub fn system(has_it: bool, what: &str) -> bool {
    if !has_it {
        println!("skipped: this system has no {what}");
    }
    has_it
}

/// Whether we are root: to make network namespaces, to become another user.
pub fn root() -> bool {
    met(nix::unistd::geteuid().is_root(), "root")
}

/// Whether a program is installed.
pub fn tool(name: &str) -> bool {
    met(find(name).is_some(), name)
}

/// Where a program is: in the PATH, or where tests/run puts what is in no
/// package.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let own = cache()?.join("pyknock-0.4.3/bin");
    let mut all = std::env::split_paths(&path).chain([own]);
    all.find_map(|directory| Some(directory.join(program)).filter(|file| file.is_file()))
}

/// Where tests/run puts what it downloads.
pub fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    Some(named.or_else(home)?.join("knockd-tests"))
}
