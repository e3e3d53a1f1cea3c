//! The configuration of another daemon as one of ours, for `knockctl import`.
//!
//! `old` reads, `plan` decides, `text` writes. What commands do is told by
//! `words` and `change`; `rules` are what the packet filter needs.
//! Nothing on the system is changed.
#![forbid(unsafe_code)]

mod change;
mod commands;
mod old;
mod page;
mod plan;
mod rules;
mod stanza;
mod text;
mod words;

use plan::Fate;
pub use text::Frame;

/// Larger files are refused.
pub const MAX_LENGTH: u64 = 1 << 20;

/// A configuration of ours, made from another one.
#[derive(Debug)]
pub struct Imported {
    /// It, with comments.
    pub text: String,
    /// How many doors it has; at least one.
    pub taken: usize,
    /// How many it could not have.
    pub left: usize,
}

/// Translates the configuration of the old knockd, which is that of Judd Vinet.
///
/// # Errors
/// Why there is no configuration of ours in it, as `FILE:LINE: text`.
pub fn translate(bytes: &[u8], frame: Frame<'_>) -> Result<Imported, String> {
    let from = frame.from;
    let old = old::read(bytes)
        .map_err(|old::Fault { line, text }| format!("{from}:{line}: {text}"))?;
    let fates = plan::plan(&old.doors, frame.dialect);
    let left = fates.iter().filter(|fate| matches!(fate, Fate::Left(_))).count();
    if left < fates.len() {
        let text = text::write(&old, &fates, frame);
        return Ok(Imported { text, taken: fates.len() - left, left });
    }
    Err(match (old.doors.first(), fates.first()) {
        (Some(door), Some(Fate::Left(why))) => {
            format!("{from}:{}: no door can be taken over; of this one {why}", door.line)
        }
        _ => format!("{from} has no doors, name another file"),
    })
}
