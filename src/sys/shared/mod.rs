//! What several systems do alike.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub mod boot;
pub mod confine;
#[cfg(any(target_os = "freebsd", target_os = "linux", target_os = "openbsd"))]
pub mod ids;
#[cfg(not(target_os = "linux"))]
pub mod kqueue;
pub mod limit;
#[cfg(not(target_os = "linux"))]
pub mod peer;
#[cfg(not(target_os = "linux"))]
pub mod process;
