//! What is kept on disk, so that nothing is lost and nothing opens twice.
//!
//! [`journal`] remembers the tokens that were honoured, [`leases`] the doors
//! that are open, [`recovery`] says what the latter mean to the next run. Both
//! are files of [`slots`]: of fixed size, filled before they are used, each
//! change one write. Nothing waits for the disk: a process that dies loses no
//! write, and after a loss of power nothing is believed.
#![forbid(unsafe_code)]

pub mod journal;
mod journal_file;
pub mod leases;
pub mod list;
pub mod recovery;
pub mod slots;
