//! knockctl and the control socket: who may speak, what is answered, what the
//! daemon does with clients that are slow, broken or many, and what knockctl
//! does without a daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/house/mod.rs"]
mod house;

mod clients;
mod doctor;
mod documents;
mod enrolment;
mod import;
mod places;
mod program;
mod stage;
mod strangers;
