//! What pf's rules do with a packet, told from what `pfctl -sr` prints.
//!
//! [`words`] cuts a line, [`mod@line`] gives it a meaning, [`parts`] are the
//! meanings of addresses and ports, [`read`] puts the lines of anchors where
//! they are called, [`fate`] follows a packet through all of it, [`verdict`]
//! says what that means for the doors.
//!
//! pf.conf(5): the last line that matches a packet decides, or the first with
//! `quick`; what no line matches passes. A line with a word that is not known
//! here may match or not: it puts everything that it could change in doubt,
//! and the doubt is told with the line that caused it.
#![forbid(unsafe_code)]

pub mod fate;
pub mod line;
mod options;
pub mod parts;
pub mod read;
pub mod services;
pub mod share;
pub mod verdict;
pub mod words;
