//! knockctl where it asks no daemon: setup, enroll, import and doctor.
//!
//! Apart from tests/control, whose server sets the mask of file modes for a
//! moment: it is the whole process's, and files are made here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;
#[path = "../common/house/mod.rs"]
mod house;
#[path = "../common/modes.rs"]
mod modes;

mod doctor;
mod enrolment;
mod import;
