//! Standard input and output, for a while those of a connection.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::thread;

use super::Error;

/// How much is passed on at once.
const BUFFER: usize = 64 << 10;

/// Brings standard input to the connection and what comes from it to standard
/// output, until the other side ends. The end of the input is passed on.
///
/// # Errors
/// When either breaks.
pub fn relay(connection: &TcpStream) -> Result<(), Error> {
    let failed = |error: io::Error| Error::new(format!("the connection broke: {error}"));
    let mut outgoing = connection.try_clone().map_err(failed)?;
    // Not the standard library's own, which holds back what ends in no line.
    let mut input = copy_of(io::stdin()).map_err(failed)?;
    let mut output = copy_of(io::stdout()).map_err(failed)?;
    // Each direction by itself, so that neither waits for the other. When the
    // other side has ended, nobody waits for the input.
    thread::spawn(move || {
        let copied = pump(&mut input, &mut outgoing);
        // Where the other side has gone, reading from it tells.
        let how = if copied.is_ok() { Shutdown::Write } else { Shutdown::Both };
        let _ = outgoing.shutdown(how);
    });
    match pump(&mut &*connection, &mut output) {
        // Who reads our output has ended, and needs no more of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        copied => copied.map_err(failed),
    }
}

/// Passes on what comes as it comes: not by splice(2), which may wait for more
/// while the other side waits for an answer.
fn pump(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..length])?;
    }
}

fn copy_of(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}
