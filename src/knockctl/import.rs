//! `knockctl import`: converts the configuration of another daemon. Changes
//! nothing on the system.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::setup::host_name;
use super::{CtlError, hint};
use crate::firewall::NATIVE;
use crate::import::{self, Frame, Imported, MAX_LENGTH};

/// Prints the configuration that `file` becomes; `-` is standard input.
pub(super) fn import_knockd(file: &Path, out: &mut dyn Write) -> Result<(), CtlError> {
    let is_piped = file == Path::new("-");
    let from = if is_piped { "standard input".into() } else { file.display().to_string() };
    let bytes = read(file, is_piped)
        .map_err(|error| CtlError::new(format!("cannot read {from}: {error}")))?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(CtlError::new(format!("{from} exceeds {MAX_LENGTH} bytes, name another")));
    }
    // Without a host name the import chooses a name.
    let host = host_name().unwrap_or_default();
    let frame = Frame { from: &from, host: &host, dialect: NATIVE };
    let Imported { text, taken, left } =
        import::translate(&bytes, frame).map_err(CtlError::new)?;
    out.write_all(text.as_bytes())?;
    out.flush()?;
    hint(&format!("{taken} doors imported, {left} not; the comments have reasons and steps"));
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
