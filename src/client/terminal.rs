//! What only a person can say.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use zeroize::Zeroizing;

use super::Error;

/// The longest passphrase, in bytes.
const MAX_LENGTH: usize = 1024;

/// Asks on the terminal, which shows nothing of the answer.
///
/// # Errors
/// Without a terminal, and when the answer is too long or ends early.
pub fn ask_passphrase(prompt: &str) -> Result<Zeroizing<String>, Error> {
    let terminal =
        OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| {
            Error::new(format!(
                "cannot ask for a passphrase, load the key into ssh-agent: /dev/tty: {error}"
            ))
        })?;
    ask_on(&terminal, prompt)
        .map_err(|error| Error::new(format!("cannot ask for a passphrase: {error}")))
}

fn ask_on(mut terminal: &File, prompt: &str) -> io::Result<Zeroizing<String>> {
    let silence = Silence::begin(terminal)?;
    terminal.write_all(prompt.as_bytes())?;
    let answer = read_line(terminal);
    // What ends the line is not shown either.
    terminal.write_all(b"\n")?;
    drop(silence);
    answer
}

/// A terminal that shows nothing of what is typed, until dropped.
struct Silence<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Silence<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        // What was typed before the question is no answer to it.
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = termios::tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

fn read_line(mut terminal: &File) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; MAX_LENGTH]);
    let mut length = 0;
    loop {
        let free = bytes.get_mut(length..length + 1).ok_or(io::ErrorKind::InvalidInput)?;
        match terminal.read(free)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if free == b"\n" => break,
            _ => length += 1,
        }
    }
    let text = std::str::from_utf8(&bytes[..length])
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(Zeroizing::new(text.to_owned()))
}
