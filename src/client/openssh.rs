//! UserKey files of OpenSSH.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::path::Path;

use ssh_key::public::KeyData;
use ssh_key::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::agent::{self, Agent, Kept};
use super::key::{Held, SSH_TYPES, SshType, UserKey};
use super::{ClientError, complain};
use crate::core::credential;

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
/// When there is no key, or one of another type than knockd takes.
pub fn public(file: &Path, bytes: &[u8]) -> Result<PublicKey, ClientError> {
    let line = std::str::from_utf8(bytes).unwrap_or_default();
    let key = PublicKey::from_openssh(line.trim()).map_err(|error| {
        ClientError::new(format!("{} has no ssh public key: {error}", file.display()))
    })?;
    ours(file, key.key_data())?;
    Ok(key)
}

/// The private key in `bytes`, which were read from `file`. It may still be
/// encrypted.
///
/// # Errors
/// When there is no key, or one of another type than knockd takes.
pub fn private(file: &Path, bytes: &[u8]) -> Result<PrivateKey, ClientError> {
    let key = PrivateKey::from_openssh(bytes).map_err(|error| {
        ClientError::new(format!("{} has no ssh private key: {error}", file.display()))
    })?;
    ours(file, key.public_key().key_data())?;
    Ok(key)
}

/// The key in the agent whose public half is `bytes`.
///
/// # Errors
/// When knockd does not take its type, or no agent has it.
pub fn from_public(file: &Path, bytes: &[u8]) -> Result<Box<dyn UserKey>, ClientError> {
    held(file, &public(file, bytes)?)?.ok_or_else(|| {
        let file = file.display();
        ClientError::new(format!(
            "no ssh-agent has the key of {file}, run ssh-add or name the private key"
        ))
    })
}

/// The private key in `bytes`, or the same key in the agent if `bytes` are
/// encrypted or belong to a security key. `ask` returns the passphrase.
///
/// # Errors
/// When knockd does not take its type, it is damaged, or three passphrases in a
/// row are wrong.
pub fn from_private(
    file: &Path,
    bytes: &[u8],
    ask: impl FnMut(&str) -> Result<Zeroizing<String>, ClientError>,
) -> Result<Box<dyn UserKey>, ClientError> {
    let key = private(file, bytes)?;
    let needs_touch = ours(file, key.public_key().key_data())?.kind.needs_touch;
    if needs_touch || key.is_encrypted() {
        match held(file, key.public_key()) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            // An agent that is gone must not keep the passphrase from serving.
            Err(error) if !needs_touch => complain(&error),
            Err(error) => return Err(error),
        }
    }
    if needs_touch {
        let file = file.display();
        return Err(ClientError::new(format!(
            "{file} is a security key, which signs through ssh-agent: run ssh-add {file}"
        )));
    }
    let key = if key.is_encrypted() { decrypted(file, &key, ask)? } else { key };
    let found = SSH_TYPES.iter().find_map(|known| (known.private)(key.key_data()));
    found.ok_or_else(|| ClientError::new(format!("{} has no ssh private key", file.display())))
}

#[cfg(feature = "client")]
fn decrypted(
    file: &Path,
    key: &PrivateKey,
    mut ask: impl FnMut(&str) -> Result<Zeroizing<String>, ClientError>,
) -> Result<PrivateKey, ClientError> {
    let prompt = format!("passphrase of {}: ", file.display());
    for _ in 0..3 {
        if let Ok(key) = key.decrypt(ask(&prompt)?.as_bytes()) {
            return Ok(key);
        }
    }
    Err(ClientError::new(format!("wrong passphrase for {}", file.display())))
}

#[cfg(not(feature = "client"))]
fn decrypted(
    file: &Path,
    _: &PrivateKey,
    _: impl FnMut(&str) -> Result<Zeroizing<String>, ClientError>,
) -> Result<PrivateKey, ClientError> {
    let file = file.display();
    let text =
        format!("{file} is encrypted, which this build cannot read: load it into ssh-agent");
    Err(ClientError::new(text))
}

/// The key in the agent that the environment names, if it has it.
fn held(file: &Path, key: &PublicKey) -> Result<Option<Box<dyn UserKey>>, ClientError> {
    let Some(socket) = agent::socket() else { return Ok(None) };
    let cannot =
        |why: &dyn Display| ClientError::new(format!("cannot use {}: {why}", file.display()));
    let blob = key.to_bytes().map_err(|error| cannot(&error))?;
    let public = credential::read_ssh(&blob, false).map_err(|_| cannot(&"it is a weak key"))?;
    let identities = Agent::connect(&socket)?.identities()?;
    let is_there = identities.iter().any(|identity| identity.blob == blob);
    let holder = Kept { socket, blob };
    Ok(is_there.then(|| Box::new(Held { public, holder }) as Box<dyn UserKey>))
}

/// The type of a public key, if knockd takes it.
fn ours(file: &Path, key: &KeyData) -> Result<&'static SshType, ClientError> {
    let name = key.algorithm();
    SSH_TYPES.iter().find(|known| known.kind.name == name.as_str()).ok_or_else(|| {
        let names: Vec<_> = SSH_TYPES.iter().map(|known| known.kind.name).collect();
        let (file, names) = (file.display(), names.join(" and "));
        ClientError::new(format!("{file} is of type {name}, knockd takes {names}"))
    })
}
