//! The parts of the ssh-agent protocol that a knock needs: list keys, sign.
//!
//! The protocol is that of draft-ietf-sshm-ssh-agent: a message follows its
//! length, 4 bytes, big-endian, as does each string within. Answers are
//! untrusted: the socket may be forwarded from another machine.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ClientError;
use super::key::Signs;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::printable::is_unprintable;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const REQUEST_SIGNATURE: u8 = 13;
const SIGNATURE: u8 = 14;

/// The longest message that is read; OpenSSH's agent makes none longer.
const MAX_LENGTH: usize = 256 << 10;
/// The most keys that are looked at.
const MAX_IDENTITIES: u32 = 2048;
/// How long an agent may take to list its keys.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a signature may take: a person may have to find a key and touch it.
const TOUCH: Duration = Duration::from_secs(120);

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The public key as ssh encodes it.
    pub blob: Vec<u8>,
    /// The comment, printable.
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
    /// When no agent listens there.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|error| {
            let socket = socket.display();
            ClientError::new(format!("cannot reach ssh-agent at {socket}: {error}"))
        })?;
        Ok(Self { stream, socket: socket.to_owned() })
    }

    /// Lists the agent's keys, at most 2048.
    ///
    /// # Errors
    /// When it does not answer in 10 s, or answers something else.
    pub fn identities(&mut self) -> Result<Vec<Identity>, ClientError> {
        let answer = self.ask(&[REQUEST_IDENTITIES], PATIENCE)?;
        parse_identities(&answer).map_err(|Malformed| self.confused())
    }

    /// Signs `message` with the key `blob`.
    ///
    /// # Errors
    /// When it refuses, takes more than two minutes, or answers with anything
    /// but a signature.
    pub fn sign(&mut self, blob: &[u8], message: &[u8]) -> Result<Vec<u8>, ClientError> {
        // No flags: they choose between hashes of RSA.
        let request = Writer::new().u8(REQUEST_SIGNATURE).string(blob).string(message).u32(0);
        let request = request.end();
        let answer = self.ask(&request, TOUCH)?;
        if answer == [FAILURE] {
            let socket = self.socket.display();
            return Err(ClientError::new(format!(
                "ssh-agent at {socket} did not sign: unlock it, or touch the security key in time"
            )));
        }
        parse_signature(&answer).map(<[u8]>::to_vec).map_err(|Malformed| self.confused())
    }

    fn ask(&mut self, request: &[u8], patience: Duration) -> Result<Vec<u8>, ClientError> {
        self.exchange(request, patience).map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            };
            let socket = self.socket.display();
            ClientError::new(format!("cannot talk to ssh-agent at {socket}: {error}"))
        })
    }

    fn exchange(&mut self, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))?;
        self.stream.write_all(&Writer::new().string(request).end())?;
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

    fn confused(&self) -> ClientError {
        let socket = self.socket.display();
        ClientError::new(format!("ssh-agent at {socket} sent an unexpected answer"))
    }
}

/// A key in an agent, which is asked again for each signature.
#[derive(Debug)]
pub struct Kept {
    /// The agent's socket.
    pub socket: PathBuf,
    /// The public key as ssh encodes it.
    pub blob: Vec<u8>,
}

impl Signs for Kept {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ClientError> {
        Agent::connect(&self.socket)?.sign(&self.blob, message)
    }
}

/// The keys in the answer to a request for them.
///
/// # Errors
/// When it is another message.
pub fn parse_identities(answer: &[u8]) -> Result<Vec<Identity>, Malformed> {
    let mut answer = Reader::new(answer);
    let (kind, count) = (answer.u8()?, answer.u32()?);
    if kind != IDENTITIES || count > MAX_IDENTITIES {
        return Err(Malformed);
    }
    let mut identities = Vec::new();
    for _ in 0..count {
        let (blob, comment) = (answer.string()?.to_vec(), answer.string()?);
        let comment = String::from_utf8_lossy(comment).replace(is_unprintable, "?");
        identities.push(Identity { blob, comment });
    }
    answer.end().map(|()| identities)
}

/// The signature in the answer to a request for one, as ssh encodes it.
///
/// # Errors
/// As [`parse_identities`].
pub fn parse_signature(answer: &[u8]) -> Result<&[u8], Malformed> {
    let mut answer = Reader::new(answer);
    let (kind, signature) = (answer.u8()?, answer.string()?);
    if kind == SIGNATURE { answer.end().map(|()| signature) } else { Err(Malformed) }
}
