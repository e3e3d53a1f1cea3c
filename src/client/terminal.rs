//! Asks for passphrases on the terminal.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use zeroize::Zeroizing;

use super::ClientError;

/// The longest passphrase, in bytes.
const MAX_LENGTH: usize = 1024;

/// Asks on the terminal, without echo.
///
/// # Errors
/// Without a terminal, and when the answer is too long or ends early.
pub fn ask_passphrase(prompt: &str) -> Result<Zeroizing<String>, ClientError> {
    let terminal =
        OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|error| {
            ClientError::new(format!(
                "cannot ask for a passphrase, load the key into ssh-agent: /dev/tty: {error}"
            ))
        })?;
    ask_on(&terminal, prompt)
        .map_err(|error| ClientError::new(format!("cannot ask for a passphrase: {error}")))
}

fn ask_on(mut terminal: &File, prompt: &str) -> io::Result<Zeroizing<String>> {
    let silence = Silence::begin(terminal)?;
    terminal.write_all(prompt.as_bytes())?;
    let answer = read_line(terminal, silence.interrupt);
    // What ends the line is not shown either.
    terminal.write_all(b"\n")?;
    drop(silence);
    answer
}

/// A terminal without echo, until dropped.
///
/// Its keys send no signals meanwhile: one that ended us would leave the echo off.
/// The interrupt key ends the line instead.
struct Silence<'t> {
    terminal: &'t File,
    before: Termios,
    interrupt: u8,
}

impl<'t> Silence<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ISIG);
        let interrupt = silent.control_chars[SpecialCharacterIndices::VINTR as usize];
        silent.control_chars[SpecialCharacterIndices::VEOL as usize] = interrupt;
        // What was typed before the question is no answer to it.
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before, interrupt })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = termios::tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

fn read_line(mut terminal: &File, interrupt: u8) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; MAX_LENGTH]);
    let mut length = 0;
    loop {
        let free = bytes.get_mut(length..length + 1).ok_or(io::ErrorKind::InvalidInput)?;
        match terminal.read(free)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if free == b"\n" => break,
            // A key that is switched off is the byte 0, or 255.
            _ if free == [interrupt] && ![0, 255].contains(&interrupt) => {
                return Err(io::Error::other("interrupted"));
            }
            _ => length += 1,
        }
    }
    let text = std::str::from_utf8(&bytes[..length])
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::pty::openpty;

    /// What is typed, and what becomes of it.
    fn type_in(keys: &[u8]) -> (io::Result<Zeroizing<String>>, Termios, Termios) {
        let pty = openpty(None, None).unwrap();
        let (mut person, terminal) = (File::from(pty.master), File::from(pty.slave));
        let before = termios::tcgetattr(&terminal).unwrap();
        let keys = keys.to_vec();
        let typing = std::thread::spawn(move || {
            let mut asked = [0; 1];
            // The prompt: from then on the terminal is silent.
            person.read_exact(&mut asked).unwrap();
            person.write_all(&keys).unwrap();
            // OpenBSD restores a terminal after its output was read.
            while person.read(&mut asked).is_ok_and(|count| count > 0) {}
        });
        let answer = ask_on(&terminal, "?");
        let after = termios::tcgetattr(&terminal).unwrap();
        drop(terminal);
        typing.join().unwrap();
        (answer, before, after)
    }

    #[test]
    fn an_answer_is_a_line_and_the_terminal_is_as_before() {
        let (answer, before, after) = type_in(b"horse\n");
        assert_eq!(*answer.unwrap(), "horse");
        assert_eq!(after.local_flags, before.local_flags);
    }

    #[test]
    fn an_interrupt_ends_the_question_and_the_terminal_is_as_before() {
        let (answer, before, after) = type_in(b"hor\x03");
        assert_eq!(answer.unwrap_err().to_string(), "interrupted");
        assert_eq!(after.local_flags, before.local_flags);
        assert_eq!(after.control_chars, before.control_chars);
    }
}
