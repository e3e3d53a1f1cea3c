//! A security key without the key: it signs as OpenSSH's sk keys do, through
//! an agent of its own. Nothing here is shared with the code under test.
//!
//! OpenSSH's PROTOCOL.u2f and PROTOCOL.sshsig describe what is signed,
//! draft-miller-ssh-agent how an agent is asked for it.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "every test file needs another part of it")]
#![allow(clippy::unwrap_used, reason = "all input is the tests' own")]

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256, Sha512};

/// The algorithm of the key and of its signatures.
pub const ALGORITHM: &str = "sk-ssh-ed25519@openssh.com";
/// The comment of the key, in its line and in the agent.
pub const COMMENT: &str = "token";
/// How long a client of the agent may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// No request is longer, in bytes.
const LONGEST: usize = 256 * 1024;

/// What the key does the next time it is asked.
#[derive(Debug, Clone)]
pub struct Mood {
    /// What it signs as its application.
    pub application: String,
    /// 1: touched; 4: by somebody it knows.
    pub flags: u8,
    /// How often it has signed, this time included.
    pub counter: u32,
}

/// A string of SSH (RFC 4251, section 5).
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// What `ssh-keygen -Y sign -n knockd` has a key sign for `message`.
pub fn sshsig(message: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 4] = [b"knockd", b"", b"sha512", &Sha512::digest(message)];
    [b"SSHSIG".to_vec(), parts.map(string).concat()].concat()
}

/// The key, without the agent.
struct Token {
    pair: SigningKey,
    application: String,
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl Token {
    fn blob(&self) -> Vec<u8> {
        let public = self.pair.verifying_key();
        [ALGORITHM.as_bytes(), public.as_bytes(), self.application.as_bytes()]
            .map(string)
            .concat()
    }

    /// The signature over `message` as ssh encodes it.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.asked.lock().unwrap().push(message.to_vec());
        let Mood { application, flags, counter } = self.mood.lock().unwrap().clone();
        let attested = [&[flags][..], &counter.to_be_bytes()].concat();
        let signed =
            [&Sha256::digest(application)[..], &attested, &Sha256::digest(message)].concat();
        let signature = self.pair.sign(&signed).to_bytes();
        [string(ALGORITHM.as_bytes()), string(&signature), attested].concat()
    }

    /// What the agent answers to `request`.
    fn answer(&self, request: &[u8]) -> Vec<u8> {
        match request.split_first() {
            Some((11, [])) => {
                let key = [string(&self.blob()), string(COMMENT.as_bytes())].concat();
                [&[12][..], &1_u32.to_be_bytes(), &key].concat()
            }
            Some((13, wanted)) => self
                .sign_request(wanted)
                .map_or_else(|| vec![5], |signature| [vec![14], string(&signature)].concat()),
            _ => vec![5],
        }
    }

    /// The signature, if `wanted` is whole and names this key.
    fn sign_request(&self, wanted: &[u8]) -> Option<Vec<u8>> {
        let (blob, rest) = split_string(wanted)?;
        let (message, flags) = split_string(rest)?;
        (blob == self.blob() && flags.len() == 4).then(|| self.sign(message))
    }
}

fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// The key and the agent that it sits in, which ends with it.
pub struct SecurityKey {
    token: Arc<Token>,
    socket: PathBuf,
    ends: Arc<AtomicBool>,
    agent: Option<JoinHandle<()>>,
}

impl SecurityKey {
    /// Made for `application`, in an agent at `socket`.
    pub fn plug_in(socket: &Path, application: &str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let mood = Mood { application: application.into(), flags: 1, counter: 0 };
        let token = Arc::new(Token {
            pair: SigningKey::from_bytes(&[0x5e; 32]),
            application: application.into(),
            mood: Mutex::new(mood),
            asked: Mutex::default(),
        });
        let ends = Arc::new(AtomicBool::new(false));
        let (served, ending) = (Arc::clone(&token), Arc::clone(&ends));
        let agent = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                // One that hangs up has had enough.
                let _ = serve(stream, &served);
            }
        });
        Self { token, socket: socket.to_owned(), ends, agent: Some(agent) }
    }

    pub fn socket(&self) -> &str {
        self.socket.to_str().unwrap()
    }

    /// Sets what it does from now on.
    pub fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.token.mood.lock().unwrap());
    }

    /// All that it was asked to sign, the oldest first.
    pub fn asked(&self) -> Vec<Vec<u8>> {
        self.token.asked.lock().unwrap().clone()
    }

    /// The signature over `message` as ssh encodes it: algorithm and
    /// signature as strings, a byte of flags, 4 bytes of counter.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.token.sign(message)
    }

    /// The public key as ssh encodes it.
    pub fn blob(&self) -> Vec<u8> {
        self.token.blob()
    }

    /// The line of its public key.
    pub fn line(&self) -> String {
        format!("{ALGORITHM} {} {COMMENT}", Base64::encode_string(&self.blob()))
    }
}

impl Drop for SecurityKey {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the agent, which waits for somebody to call.
        let called = UnixStream::connect(&self.socket);
        if let (Ok(_), Some(agent)) = (called, self.agent.take()) {
            let _ = agent.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(mut stream: UnixStream, token: &Token) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut request = vec![0; length];
        stream.read_exact(&mut request)?;
        stream.write_all(&string(&token.answer(&request)))?;
    }
}
