//! Translates the configuration of another daemon into ours, for `knockctl import`.
//!
//! `old` reads the old file, `plan` decides on each section, `text` writes ours.
//! `words` and `change` parse its commands; `rules` proposes rules for the packet
//! filter. Nothing on the system is changed.
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

/// Our configuration, made from another one.
#[derive(Debug)]
pub struct Imported {
    /// The configuration with comments.
    pub text: String,
    /// How many doors it has; at least one.
    pub taken: usize,
    /// How many sections became comments.
    pub left: usize,
}

/// Translates the configuration of the knockd of Judd Vinet.
///
/// # Errors
/// When it cannot be read or no section becomes a door, as `FILE:LINE: text`.
pub fn translate(bytes: &[u8], frame: Frame<'_>) -> Result<Imported, String> {
    let from = frame.from;
    let old = old::read(bytes)
        .map_err(|old::Fault { line, text }| format!("{from}:{line}: {text}"))?;
    let fates = plan::plan(&old.sections, frame.dialect);
    let left = fates.iter().filter(|fate| matches!(fate, Fate::Left(_))).count();
    if left < fates.len() {
        let text = text::write(&old, &fates, frame);
        return Ok(Imported { text, taken: fates.len() - left, left });
    }
    Err(match (old.sections.first(), fates.first()) {
        (Some(section), Some(Fate::Left(why))) => {
            format!("{from}:{}: no section becomes a door; of this one {why}", section.line)
        }
        _ => format!("{from} has no doors, name another file"),
    })
}
