//! Makes a token. Pure: the same input makes the same bytes.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::ClientError;
use super::key::UserKey;
use crate::core::bytes::Writer;
use crate::core::door;
use crate::core::mark::{NONCE_LENGTH, Nonce};
use crate::core::time::Wall;
use crate::core::token::{GateKey, Request, Statement, Wanted};

/// What a client has to get into one server.
pub struct Access {
    /// The key that the server shares with all its clients.
    pub gate_key: GateKey,
    /// The server's name, 1 to 64 bytes of `a-z 0-9 . -`.
    pub server_name: String,
    /// The user's key.
    pub key: Box<dyn UserKey>,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The door's name.
    pub door: String,
    /// The lifetime, in whole seconds; `None` is the door's own.
    pub lifetime: Option<Duration>,
}

/// The random bytes of one token. They are never used twice.
#[derive(Debug, Clone)]
pub struct Random {
    /// The token's nonce.
    pub nonce: Nonce,
    /// As much padding as the longest token needs.
    pub padding: [u8; 255],
}

impl Random {
    /// Fresh bytes from the operating system.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut random = Self { nonce: [0; NONCE_LENGTH], padding: [0; 255] };
        getrandom::fill(&mut random.nonce)?;
        getrandom::fill(&mut random.padding)?;
        Ok(random)
    }
}

impl Access {
    /// The datagram that asks for `ask` and the address `wanted`, issued at
    /// `issued`.
    ///
    /// # Errors
    /// Those of [`UserKey::prove`].
    pub fn token(
        &self,
        ask: &Wish,
        wanted: Wanted,
        issued: Wall,
        random: &Random,
    ) -> Result<Vec<u8>, ClientError> {
        let claim = Request {
            kind: self.key.kind(),
            issued,
            user: self.key.user_id(),
            door: door::wire_id(&ask.door),
            wanted,
            lifetime: ask.lifetime,
        }
        .encode();
        let server = self.gate_key.server_id(&self.server_name);
        let salt = self.gate_key.salt(&random.nonce);
        let proof = self.key.prove(&Statement::new(&server, &salt, &claim))?;
        let field = Writer::new().bytes(&proof).padded();
        Ok(self.gate_key.seal(&salt, &claim, &field, &random.padding))
    }
}
