//! `knockctl import`: the configuration of another daemon as one of ours.
//! Nothing on the system is changed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::setup::host_name;
use super::{Error, hint};
use crate::firewall::NATIVE;
use crate::import::{self, Frame, Imported, MAX_LENGTH};

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
    let frame = Frame { from: &from, host: &host, dialect: NATIVE };
    let Imported { text, taken, left } =
        import::translate(&bytes, frame).map_err(Error::Because)?;
    out.write_all(text.as_bytes())?;
    out.flush()?;
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
