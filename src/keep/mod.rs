//! The files that outlive a run: open leases and used tokens.
//!
//! [`journal`] holds the tokens that were accepted, [`leases`] the open leases,
//! and [`recovery`] plans what the next run does with the leases. Both files
//! consist of [`slots`]: their size is fixed when they are created, and each
//! change is one write. No change waits for the disk. A process that dies loses
//! no write; after a loss of power the files are not trusted.
#![forbid(unsafe_code)]

pub mod journal;
mod journal_file;
pub mod leases;
pub mod list;
pub mod recovery;
pub mod slots;
