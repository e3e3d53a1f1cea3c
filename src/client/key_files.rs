//! UserKey files: read before sending, created by `knock --keygen`.
#![forbid(unsafe_code)]

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;
use zeroize::Zeroizing;

use super::ClientError;
use super::key::UserKey;
use super::key::ed25519::Ed25519;
use super::key::secret::Secret;
use super::{openssh, terminal};
use crate::core::name;
use crate::core::token::GateKey;
use crate::keyfile::{self, KeyKind};

/// Reads a gate key.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds another kind.
pub fn read_gate(file: &Path) -> Result<GateKey, ClientError> {
    let read = read(file)?;
    match read.kind {
        KeyKind::Gate => Ok(GateKey::new(read.key)),
        kind => Err(misplaced(file, kind, "a knockd-gate file")),
    }
}

/// Reads a user's key: a key file of knock, a private key of OpenSSH, or the
/// public half of a key in an agent.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds another kind;
/// those of [`openssh`].
pub fn read_user(file: &Path) -> Result<Box<dyn UserKey>, ClientError> {
    let bytes = read_bytes(file)?;
    if openssh::is_public(&bytes) {
        return openssh::from_public(file, &bytes);
    }
    if openssh::is_private(&bytes) {
        return openssh::from_private(file, &bytes, terminal::ask_passphrase);
    }
    let read =
        keyfile::parse(file, &bytes).map_err(|error| ClientError::new(error.to_string()))?;
    match read.kind {
        KeyKind::Secret => Ok(Box::new(Secret(read.key))),
        KeyKind::Ed25519 => Ok(Box::new(Ed25519::new(&read.key))),
        KeyKind::Gate => Err(misplaced(file, read.kind, "the user's own key")),
    }
}

/// Reads the file of a user's key. Only its owner may be able to read it, unless it
/// is a public key. As ssh does, this leaves a private key of ssh that belongs to
/// root, not to us, to root.
///
/// # Errors
/// When others can read or replace it, or the system refuses.
pub fn read_bytes(file: &Path) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    keyfile::read_bytes(file).or_else(|error| match keyfile::read_public_bytes(file) {
        Ok(bytes) if openssh::is_public(&bytes) => Ok(bytes),
        Ok(bytes) if openssh::is_private(&bytes) && !is_own(file) => Ok(bytes),
        _ => Err(ClientError::new(error.to_string())),
    })
}

fn is_own(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.uid() == geteuid().as_raw())
}

fn read(file: &Path) -> Result<keyfile::KeyFile, ClientError> {
    keyfile::read(file).map_err(|error| ClientError::new(error.to_string()))
}

fn misplaced(file: &Path, kind: KeyKind, wanted: &str) -> ClientError {
    ClientError::new(format!("{} is a {kind} file, name {wanted}", file.display()))
}

/// Creates a key in a new file. Returns what belongs in the server's
/// configuration: RON with comments, without a secret.
///
/// # Errors
/// When the file exists or cannot be written, or there are no random bytes.
pub fn make(file: &Path, kind: KeyKind) -> Result<String, ClientError> {
    let key =
        keyfile::create(file, kind).map_err(|error| ClientError::new(error.to_string()))?;
    Ok(stanza(file, kind, &key))
}

fn stanza(file: &Path, kind: KeyKind, key: &keyfile::KeyBytes) -> String {
    let user = user_name();
    match kind {
        KeyKind::Ed25519 => {
            let text = keyfile::public_to_text(&Ed25519::new(key).public());
            format!(
                "// public key {text}\n\
                 {user:?}: (credential: Ed25519({text:?}), doors: [\"ssh\"]),\n"
            )
        }
        KeyKind::Secret => format!(
            "// copy {} to the server's secrets as {user}.secret\n\
             {user:?}: (credential: Secret(\"{user}.secret\"), doors: [\"ssh\"]),\n",
            file.display()
        ),
        KeyKind::Gate => {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "// copy {} to the server's secrets and to every client\n\
                 gate_keys: [{name:?}],\n",
                file.display()
            )
        }
    }
}

/// The login name if it is valid as a user's name, else an example.
fn user_name() -> String {
    env::var("LOGNAME")
        .or_else(|_| env::var("USER"))
        .ok()
        .filter(|name| name::is_plain(name))
        .unwrap_or_else(|| "alice".into())
}
