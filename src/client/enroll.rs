//! `knock --enroll`: turns the line of a server into an entry of the hosts file,
//! and prints what the server needs in return.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use ssh_key::PublicKey;
use zeroize::Zeroizing;

use super::hosts::{self, Host};
use super::hosts_file::Put;
use super::key::ed25519::Ed25519;
use super::{ClientError, complain, hosts_file, key_files, openssh};
use crate::core::name;
use crate::core::user::SourcePolicy;
use crate::enrolment::{self, Enrolment};
use crate::keyfile::{self, KeyKind};

/// Reads a line from standard input and writes what this client needs.
/// Returns what the server needs: RON with comments, without a secret.
///
/// # Errors
/// When the line is no enrolment, a file cannot be read or written, or an
/// entry of another server has the name.
pub(super) fn enroll(
    file: &Path,
    key: Option<&Path>,
    name: Option<&str>,
) -> Result<String, ClientError> {
    let line = read_line(io::stdin().lock())?;
    let enrolment = Enrolment::decode(&line)
        .map_err(|why| ClientError::new(format!("cannot read the enrolment: {why}")))?;
    let directory = file.parent().unwrap_or(Path::new("."));
    let known = hosts_file::known(file, &enrolment)?;
    if let Some((_, host)) = known.first() {
        // Before anything is written, as below.
        let stanza = stanza(&enrolment, host.key.as_path())?;
        for (name, host) in &known {
            replace_gate_key(host, &enrolment)?;
            complain(&format!("replaced the gate key of {name}, nothing else"));
        }
        return Ok(stanza);
    }
    let name = name.unwrap_or(&enrolment.address);
    if !name::is_host(name) {
        return Err(ClientError::new(format!(
            "{name:?} is not a valid host name, use one like gw1"
        )));
    }
    let key = match key {
        Some(key) => std::path::absolute(key).map_err(|error| {
            ClientError::new(format!("cannot find {}: {error}", key.display()))
        })?,
        None => usual_key(directory)?,
    };
    // Before anything is written: with a key that does not serve, none would.
    let stanza = stanza(&enrolment, &key)?;
    let gate = format!("{name}.gate");
    let made = directory.join(&gate);
    keyfile::write_new(&made, KeyKind::Gate, &enrolment.gate_key, "").map_err(unwritten)?;
    if let Err(error) = hosts_file::add(file, name, &entry(&enrolment, name, &gate, &key)) {
        // Without its entry it would only be in the way of the next try.
        let _ = fs::remove_file(&made);
        return Err(error);
    }
    complain(&format!("added {name} to {}", file.display()));
    Ok(stanza)
}

fn unwritten(error: keyfile::KeyFileError) -> ClientError {
    ClientError::new(error.to_string())
}

/// The first line that is not empty.
fn read_line(input: impl Read) -> Result<Zeroizing<String>, ClientError> {
    let failed = |why: &str| ClientError::new(format!("cannot read the enrolment: {why}"));
    let most = u64::try_from(2 * enrolment::MAX_LENGTH).unwrap_or(u64::MAX);
    let mut input = io::BufReader::new(input.take(most));
    let mut line = Zeroizing::new(String::with_capacity(enrolment::MAX_LENGTH));
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) => return Err(failed("paste the line that knockctl enroll prints")),
            Ok(_) if line.trim().is_empty() => {}
            Ok(_) => return Ok(line),
            Err(error) => return Err(failed(&error.to_string())),
        }
    }
}

/// The key to use without --key: knock's own if it exists, else that of ssh, else
/// a new one.
fn usual_key(directory: &Path) -> Result<PathBuf, ClientError> {
    let own = directory.join("id.key");
    if own.exists() {
        return Ok(own);
    }
    let ssh = hosts::home()?.join(".ssh/id_ed25519");
    if ssh.exists() {
        complain(&format!("using {}; --key names another", ssh.display()));
        return Ok(ssh);
    }
    complain(&format!("making {}; --key names another", own.display()));
    key_files::make(&own, KeyKind::Ed25519)?;
    Ok(own)
}

fn replace_gate_key(host: &Host, enrolment: &Enrolment) -> Result<(), ClientError> {
    let file = host.gate_key.as_path();
    let failed =
        |error| ClientError::new(format!("cannot replace {}: {error}", file.display()));
    let put = Put::replacing(file).map_err(failed)?;
    keyfile::write_new(&put.new, KeyKind::Gate, &enrolment.gate_key, "").map_err(unwritten)?;
    put.replace().map_err(failed)
}

/// The entry of the hosts file.
fn entry(enrolment: &Enrolment, name: &str, gate: &str, key: &Path) -> String {
    let Enrolment { address, name: server, port, .. } = enrolment;
    // The server would refuse anything else: fail here, early.
    let source = match enrolment.source {
        SourcePolicy::Bound => "        source: Bound,\n",
        SourcePolicy::Observed | SourcePolicy::Delegate => "",
    };
    let ports: Vec<_> = enrolment
        .doors
        .iter()
        .filter_map(|(door, port)| Some(format!("{door:?}: {}", (*port)?)))
        .collect();
    let ports = match ports.is_empty() {
        true => String::new(),
        false => format!("        ports: {{{}}},\n", ports.join(", ")),
    };
    let key = key.display().to_string();
    format!(
        "    {name:?}: (
        address: {address:?},
        name: {server:?},
        port: {port},
        gate_key: {gate:?},
        key: {key:?},
{source}{ports}    ),
"
    )
}

/// The stanza of the user, for the server.
fn stanza(enrolment: &Enrolment, key: &Path) -> Result<String, ClientError> {
    let Enrolment { user, name, source, .. } = enrolment;
    let doors: Vec<_> = enrolment.doors.keys().collect();
    let (hint, credential) = credential(user, key)?;
    Ok(format!(
        "// {hint}
// for users of server {name}, if it does not have this key yet
{user:?}: (credential: {credential}, doors: {doors:?}, source: {source}),
"
    ))
}

/// The hint for the administrator, and the credential to configure.
fn credential(user: &str, key: &Path) -> Result<(String, String), ClientError> {
    let bytes = key_files::read_bytes(key)?;
    let is_private = openssh::is_private(&bytes);
    if is_private || openssh::is_public(&bytes) {
        let public = if is_private {
            openssh::private(key, &bytes)?.public_key().clone()
        } else {
            openssh::public(key, &bytes)?
        };
        let line = authorized_key(&public);
        return Ok((format!("public key {line}"), format!("AuthorizedKey({line:?})")));
    }
    let read = keyfile::parse(key, &bytes).map_err(unwritten)?;
    match read.kind {
        KeyKind::Ed25519 => {
            let text = keyfile::public_to_text(&Ed25519::new(&read.key).public());
            Ok((format!("public key {text}"), format!("Ed25519({text:?})")))
        }
        KeyKind::Secret => {
            let hint =
                format!("copy {} to the server's secrets as {user}.secret", key.display());
            Ok((hint, format!("Secret(\"{user}.secret\")")))
        }
        KeyKind::Gate => {
            let key = key.display();
            Err(ClientError::new(format!(
                "{key} is a gate key, name the user's own key by --key"
            )))
        }
    }
}

/// A line of authorized_keys. The comment keeps its printable characters.
fn authorized_key(public: &PublicKey) -> String {
    let mut bare = public.clone();
    bare.set_comment("");
    let key = bare.to_openssh().unwrap_or_default();
    let comment = String::from_utf8_lossy(public.comment().as_ref()).into_owned();
    let comment: String = comment.chars().filter(|c| c.is_ascii_graphic()).collect();
    format!("{} {comment}", key.trim()).trim().to_owned()
}
