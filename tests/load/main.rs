//! The daemon under load: what is measured here wants the machine for itself,
//! so these tests run one at a time, and apart from all others.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/net/mod.rs"]
mod net;

mod many_users;
mod reloads;
mod under_flood;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test runs.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
