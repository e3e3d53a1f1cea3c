//! ssh-agent, as far as a knock needs it: what it holds, and a signature.
//!
//! The protocol is that of draft-ietf-sshm-ssh-agent: messages behind their
//! length, 4 bytes, big-endian, as are the lengths of strings within. All that
//! the agent says is doubted; it may be anybody's behind a forwarded socket.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use super::key::{Signed, Signs};
use crate::core::ssh::{Attested, ED25519, SK_ED25519};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const REQUEST_SIGNATURE: u8 = 13;
const SIGNATURE: u8 = 14;

/// The longest message that is read: as long as OpenSSH's agent makes any.
const MAX_LENGTH: usize = 256 << 10;
/// The most keys that are looked at.
const MAX_IDENTITIES: usize = 2048;
/// How long an agent may take to say what it holds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a signature may take: somebody has to find the key and touch it.
const TOUCH: Duration = Duration::from_secs(120);

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The public key as ssh encodes it.
    pub blob: Vec<u8>,
    /// What its owner calls it, printable.
    pub comment: String,
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Agent {
    stream: UnixStream,
    socket: PathBuf,
}

/// The socket that the environment names, if any.
#[must_use]
pub fn socket() -> Option<PathBuf> {
    env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Agent {
    /// Connects to the agent at `socket`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(socket).map_err(|error| {
            let socket = socket.display();
            Error::new(format!("cannot reach ssh-agent at {socket}: {error}"))
        })?;
        Ok(Self { stream, socket: socket.to_owned() })
    }

    /// The keys that it holds, at most 2048.
    ///
    /// # Errors
    /// When it does not say so in 10 s, or says something else.
    pub fn identities(&mut self) -> Result<Vec<Identity>, Error> {
        let answer = self.ask(&[REQUEST_IDENTITIES], PATIENCE)?;
        parse_identities(&answer).ok_or_else(|| self.confused())
    }

    /// Has the key `blob` sign `message`.
    ///
    /// # Errors
    /// When it refuses, takes more than two minutes, or answers with anything
    /// but a signature of one of our types.
    pub fn sign(&mut self, blob: &[u8], message: &[u8]) -> Result<Signed, Error> {
        let mut request = vec![REQUEST_SIGNATURE];
        for part in [blob, message] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            request.extend_from_slice(&length.to_be_bytes());
            request.extend_from_slice(part);
        }
        // No flags: they choose between hashes of RSA.
        request.extend_from_slice(&[0; 4]);
        let answer = self.ask(&request, TOUCH)?;
        if answer == [FAILURE] {
            let socket = self.socket.display();
            return Err(Error::new(format!(
                "ssh-agent at {socket} does not sign: unlock it, or touch the security key in time"
            )));
        }
        parse_signature(&answer).ok_or_else(|| self.confused())
    }

    fn ask(&mut self, request: &[u8], patience: Duration) -> Result<Vec<u8>, Error> {
        self.exchange(request, patience).map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            };
            let socket = self.socket.display();
            Error::new(format!("cannot talk to ssh-agent at {socket}: {error}"))
        })
    }

    fn exchange(&mut self, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))?;
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        self.stream.write_all(&[&length.to_be_bytes(), request].concat())?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_LENGTH {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn confused(&self) -> Error {
        let socket = self.socket.display();
        Error::new(format!("ssh-agent at {socket} answers what it was not asked"))
    }
}

/// A key in an agent, which is asked anew for each signature.
#[derive(Debug)]
pub struct Kept {
    /// The agent's socket.
    pub socket: PathBuf,
    /// The public key as ssh encodes it.
    pub blob: Vec<u8>,
}

impl Signs for Kept {
    fn sign(&self, message: &[u8]) -> Result<Signed, Error> {
        Agent::connect(&self.socket)?.sign(&self.blob, message)
    }
}

/// The next string of a message.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (string, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(string)
}

/// The keys in the answer to a request for them.
#[must_use]
pub fn parse_identities(answer: &[u8]) -> Option<Vec<Identity>> {
    let (&kind, rest) = answer.split_first()?;
    let (count, mut rest) = rest.split_first_chunk()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    if kind != IDENTITIES || count > MAX_IDENTITIES {
        return None;
    }
    let mut identities = Vec::new();
    for _ in 0..count {
        let (blob, comment) = (string(&mut rest)?, string(&mut rest)?);
        let comment = String::from_utf8_lossy(comment).replace(char::is_control, "?");
        identities.push(Identity { blob: blob.to_vec(), comment });
    }
    rest.is_empty().then_some(identities)
}

/// The signature in the answer to a request for one.
#[must_use]
pub fn parse_signature(answer: &[u8]) -> Option<Signed> {
    let (&kind, mut rest) = answer.split_first()?;
    let mut inner = string(&mut rest)?;
    if kind != SIGNATURE || !rest.is_empty() {
        return None;
    }
    let algorithm = string(&mut inner)?;
    let signature = string(&mut inner)?.try_into().ok()?;
    let attested = match *inner {
        [] if algorithm == ED25519.as_bytes() => None,
        [flags, a, b, c, d] if algorithm == SK_ED25519.as_bytes() => {
            Some(Attested::new(flags, u32::from_be_bytes([a, b, c, d])))
        }
        _ => return None,
    };
    Some(Signed { signature, attested })
}
