//! A security key without the key: it signs as OpenSSH's sk keys do, through
//! an agent of its own.
#![allow(dead_code, reason = "every test file needs another part of it")]
#![allow(clippy::unwrap_used, reason = "all input is the tests' own")]

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use knockd::core::ssh::{Attested, SK_ED25519};

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

/// The key and the agent that it sits in.
pub struct SecurityKey {
    pair: SigningKey,
    application: String,
    mood: Arc<Mutex<Mood>>,
    socket: PathBuf,
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

impl SecurityKey {
    /// Made for `application`, in an agent at `socket`.
    pub fn plug_in(socket: &Path, application: &str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let mood = Mood { application: application.into(), flags: 1, counter: 0 };
        let key = Self {
            pair: SigningKey::from_bytes(&[0x5e; 32]),
            application: application.into(),
            mood: Arc::new(Mutex::new(mood)),
            socket: socket.to_owned(),
        };
        let (pair, blob, mood) = (key.pair.clone(), key.blob(), Arc::clone(&key.mood));
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One that hangs up has had enough.
                let _ = serve(stream, &pair, &blob, &mood);
            }
        });
        key
    }

    pub fn socket(&self) -> &str {
        self.socket.to_str().unwrap()
    }

    /// Sets what it does from now on.
    pub fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }

    /// The public key as ssh encodes it.
    pub fn blob(&self) -> Vec<u8> {
        [
            string(SK_ED25519.as_bytes()),
            string(self.pair.verifying_key().as_bytes()),
            string(self.application.as_bytes()),
        ]
        .concat()
    }

    /// The line of its public key.
    pub fn line(&self) -> String {
        format!("{SK_ED25519} {} token", Base64::encode_string(&self.blob()))
    }
}

fn serve(
    mut stream: UnixStream,
    pair: &SigningKey,
    blob: &[u8],
    mood: &Mutex<Mood>,
) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request)?;
        let answer = match request.first() {
            Some(11) => {
                [&[12][..], &1_u32.to_be_bytes(), &string(blob), &string(b"token")].concat()
            }
            Some(13) => {
                let message = &request[1 + 4 + blob.len()..];
                let length = u32::from_be_bytes(message[..4].try_into().unwrap()) as usize;
                signed(pair, &message[4..4 + length], &mut mood.lock().unwrap())
            }
            _ => vec![5],
        };
        stream.write_all(&string(&answer))?;
    }
}

fn signed(pair: &SigningKey, message: &[u8], mood: &mut Mood) -> Vec<u8> {
    let attested = Attested::new(mood.flags, mood.counter);
    let signature = pair.sign(&attested.signed(&mood.application, message)).to_bytes();
    let blob = [
        string(SK_ED25519.as_bytes()),
        string(&signature),
        vec![mood.flags],
        mood.counter.to_be_bytes().to_vec(),
    ];
    [vec![14], string(&blob.concat())].concat()
}
