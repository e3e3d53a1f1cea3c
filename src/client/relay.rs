//! Relays standard input and output to a connection.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ClientError;

/// How many bytes are relayed at once.
const BUFFER: usize = 64 << 10;

/// Copies standard input to the connection, and the connection to standard
/// output, until the other side ends. The end of the input is relayed, too.
///
/// # Errors
/// When either breaks.
pub fn relay(connection: &TcpStream) -> Result<(), ClientError> {
    let failed = |error: io::Error| ClientError::new(format!("the connection broke: {error}"));
    // Typed input must not wait for more of it.
    connection.set_nodelay(true).map_err(failed)?;
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

/// Relays bytes as they arrive. Not by splice(2), which may wait for more while the
/// other side waits for an answer.
fn pump(from: &mut (impl Read + AsFd), to: &mut (impl Write + AsFd)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => write(to, &buffer[..length])?,
            Err(error) => wait_after(error, from, PollFlags::POLLIN)?,
        }
    }
}

fn write(to: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) => wait_after(error, to, PollFlags::POLLOUT)?,
        }
    }
    Ok(())
}

/// Waits until the next try. The process that started us may have made the streams
/// non-blocking and shares them with us, so they stay so.
fn wait_after(error: io::Error, stream: &impl AsFd, event: PollFlags) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            match poll(&mut [PollFd::new(stream.as_fd(), event)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(error),
    }
}

fn copy_of(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}
