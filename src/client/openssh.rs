//! Keys that OpenSSH keeps in files.
#![forbid(unsafe_code)]

use std::path::Path;

use ssh_key::public::KeyData;
use ssh_key::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::agent::{self, Agent, Kept};
use super::key::{Key, Public};
use super::{Error, complain};
use crate::core::ssh::{ED25519, SK_ED25519};

/// Whether the file holds a private key of OpenSSH.
#[must_use]
pub fn is_private(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----")
}

/// Whether the file holds a public key of OpenSSH, as `.pub` files do.
#[must_use]
pub fn is_public(bytes: &[u8]) -> bool {
    ["ssh-", "sk-", "ecdsa-"].iter().any(|begin| bytes.starts_with(begin.as_bytes()))
}

/// The public key in `bytes`, which were read from `file`.
///
/// # Errors
/// When it is none, or none of ours.
pub fn public(file: &Path, bytes: &[u8]) -> Result<PublicKey, Error> {
    let line = std::str::from_utf8(bytes).unwrap_or_default();
    let key = PublicKey::from_openssh(line.trim()).map_err(|error| {
        Error::new(format!("{} holds no public key of ssh: {error}", file.display()))
    })?;
    ours(file, key.key_data())?;
    Ok(key)
}

/// The private key in `bytes`, which were read from `file`. It may be encrypted
/// still.
///
/// # Errors
/// When it is none, or none of ours.
pub fn private(file: &Path, bytes: &[u8]) -> Result<PrivateKey, Error> {
    let key = PrivateKey::from_openssh(bytes).map_err(|error| {
        Error::new(format!("{} holds no private key of ssh: {error}", file.display()))
    })?;
    ours(file, key.public_key().key_data())?;
    Ok(key)
}

/// The key whose public half `bytes` are, from the agent that holds it.
///
/// # Errors
/// When it is no key of ours, or no agent has it.
pub fn from_public(file: &Path, bytes: &[u8]) -> Result<Key, Error> {
    let key = public(file, bytes)?;
    let public = ours(file, key.key_data())?;
    held(file, &key, public)?.ok_or_else(|| {
        let file = file.display();
        Error::new(format!(
            "no ssh-agent has the key of {file}, run ssh-add or name the private key"
        ))
    })
}

/// The private key that `bytes` are, or the same in the agent when it is
/// encrypted there or belongs to a security key. `ask` is asked for its
/// passphrase.
///
/// # Errors
/// When it is no key of ours or damaged, or three passphrases in a row do not fit.
pub fn from_private(
    file: &Path,
    bytes: &[u8],
    ask: impl FnMut(&str) -> Result<Zeroizing<String>, Error>,
) -> Result<Key, Error> {
    let key = private(file, bytes)?;
    let public = ours(file, key.public_key().key_data())?;
    let is_token = matches!(public, Public::SecurityKey(..));
    if is_token || key.is_encrypted() {
        match held(file, key.public_key(), public) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            // An agent that is gone must not keep the passphrase from serving.
            Err(error) if !is_token => complain(&error),
            Err(error) => return Err(error),
        }
    }
    if is_token {
        let file = file.display();
        return Err(Error::new(format!(
            "{file} is a security key, which signs through ssh-agent: run ssh-add {file}"
        )));
    }
    let key = if key.is_encrypted() { decrypted(file, &key, ask)? } else { key };
    key.key_data()
        .ed25519()
        .map(|pair| Key::ssh(&Zeroizing::new(pair.private.to_bytes())))
        .ok_or_else(|| {
            Error::new(format!("{} holds no private key of type {ED25519}", file.display()))
        })
}

#[cfg(feature = "client")]
fn decrypted(
    file: &Path,
    key: &PrivateKey,
    mut ask: impl FnMut(&str) -> Result<Zeroizing<String>, Error>,
) -> Result<PrivateKey, Error> {
    let prompt = format!("passphrase of {}: ", file.display());
    for _ in 0..3 {
        if let Ok(key) = key.decrypt(ask(&prompt)?.as_bytes()) {
            return Ok(key);
        }
    }
    Err(Error::new(format!("no passphrase fits {}", file.display())))
}

#[cfg(not(feature = "client"))]
fn decrypted(
    file: &Path,
    _: &PrivateKey,
    _: impl FnMut(&str) -> Result<Zeroizing<String>, Error>,
) -> Result<PrivateKey, Error> {
    let file = file.display();
    let text =
        format!("{file} is encrypted, which this build cannot read: load it into ssh-agent");
    Err(Error::new(text))
}

/// The key in the agent of the environment, if there is one and it has it.
fn held(file: &Path, key: &PublicKey, public: Public) -> Result<Option<Key>, Error> {
    let Some(socket) = agent::socket() else { return Ok(None) };
    let blob = key
        .to_bytes()
        .map_err(|error| Error::new(format!("cannot encode {}: {error}", file.display())))?;
    let identities = Agent::connect(&socket)?.identities()?;
    let is_there = identities.iter().any(|identity| identity.blob == blob);
    let kept = Kept { socket, blob };
    Ok(is_there.then(|| Key::Held(public, Box::new(kept))))
}

/// A public key of a type that knockd takes.
fn ours(file: &Path, key: &KeyData) -> Result<Public, Error> {
    match key {
        KeyData::Ed25519(key) => Ok(Public::Ssh(key.0)),
        KeyData::SkEd25519(key) => {
            Ok(Public::SecurityKey(key.public_key().0, key.application().to_owned()))
        }
        other => {
            let (file, kind) = (file.display(), other.algorithm());
            let text =
                format!("{file} is of type {kind}, knockd takes {ED25519} and {SK_ED25519}");
            Err(Error::new(text))
        }
    }
}
