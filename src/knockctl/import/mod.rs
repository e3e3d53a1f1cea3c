//! `knockctl import`: the configuration of another daemon as one of ours.
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

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::setup::host_name;
use super::{Error, hint};
use plan::Fate;
pub use rules::Filter;
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

/// Prints what the file `-` or another one becomes.
pub(super) fn import_knockd(file: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let is_piped = file == Path::new("-");
    let from = if is_piped { "standard input".into() } else { file.display().to_string() };
    let bytes = read(file, is_piped)
        .map_err(|error| Error::Because(format!("cannot read {from}: {error}")))?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(Error::Because(format!("{from} exceeds {MAX_LENGTH} bytes, name another")));
    }
    // A host without a name has another one in the configuration.
    let host = host_name().unwrap_or_default();
    let frame = Frame { from: &from, host: &host, filter: Filter::NATIVE };
    let imported = translate(&bytes, frame).map_err(Error::Because)?;
    out.write_all(imported.text.as_bytes())?;
    out.flush()?;
    let Imported { taken, left, .. } = imported;
    hint(&format!(
        "{taken} doors taken over, {left} not; the comments say why and what is next"
    ));
    Ok(())
}

fn read(file: &Path, is_piped: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_LENGTH + 1;
    if is_piped {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Translates the configuration of the old knockd, which is that of Judd Vinet.
///
/// # Errors
/// Why there is no configuration of ours in it, as `FILE:LINE: text`.
pub fn translate(bytes: &[u8], frame: Frame<'_>) -> Result<Imported, String> {
    let from = frame.from;
    let old = old::read(bytes)
        .map_err(|old::Fault { line, text }| format!("{from}:{line}: {text}"))?;
    let fates = plan::plan(&old.doors, frame.filter);
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
