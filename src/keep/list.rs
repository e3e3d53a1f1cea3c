//! Strikes lines out of lists of one-time sequences. A # replaces the first
//! byte of the line, before the line opens anything.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::core::one_time::Line;

const STRUCK: u8 = b'#';

/// Strikes out lines of the file at `path`, and waits until that is on disk.
/// True if none of them was struck out before.
///
/// # Errors
/// Those of the system, or that the file was changed since it was read.
pub fn strike(path: &Path, lines: &[Line]) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut is_fresh = true;
    for line in lines {
        is_fresh &= !is_struck(&file, line)?;
    }
    for line in lines {
        file.write_all_at(&[STRUCK], line.offset.into())?;
    }
    file.sync_data()?;
    Ok(is_fresh)
}

/// Which of these lines are struck out in the file.
///
/// # Errors
/// As [`strike`].
pub fn struck<'l>(path: &Path, lines: &'l [Line]) -> io::Result<Vec<&'l Line>> {
    let file = File::open(path)?;
    let mut struck = Vec::new();
    for line in lines {
        if is_struck(&file, line)? {
            struck.push(line);
        }
    }
    Ok(struck)
}

fn is_struck(file: &File, line: &Line) -> io::Result<bool> {
    let expected = line.text.as_bytes();
    let mut found = vec![0; expected.len()];
    let changed = || io::Error::other("it was changed since it was read");
    file.read_exact_at(&mut found, line.offset.into()).map_err(|_| changed())?;
    match (found.split_first(), expected.split_first()) {
        (Some((first, rest)), Some((before, wanted))) if rest == wanted => match *first {
            STRUCK => Ok(true),
            byte if byte == *before => Ok(false),
            _ => Err(changed()),
        },
        _ => Err(changed()),
    }
}
