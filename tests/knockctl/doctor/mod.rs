//! `knockctl doctor`: what it finds wrong, and what it says of it.

mod doors;
#[cfg(target_os = "linux")]
mod kernel;
mod report;
mod rules;
mod system;
