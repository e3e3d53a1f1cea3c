//! `knockctl rotate gate`: a second gate key beside the first.

use std::io::Write;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Error, hint};
use crate::config;
use crate::keyfile::{self, KeyKind};

/// The most files of one day.
const MAX_TRIES: u32 = 100;

/// Makes the new key and prints the line for the configuration.
pub(super) fn rotate_gate(file: &Path, today: &str, out: &mut dyn Write) -> Result<(), Error> {
    let config = config::load(file).map_err(Error::from_display)?;
    let old = match &config.gate_keys[..] {
        [] => {
            let text = format!("{} has no gate key, see spa in knockd.ron(5)", file.display());
            return Err(Error::Because(text));
        }
        [old] => old,
        [.., old] => {
            return Err(Error::Because(format!(
                "{} has two gate keys: take {old:?} out once every client has the other, and \
                 knockctl reload",
                file.display()
            )));
        }
    };
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)
        .map_err(|error| Error::Because(format!("cannot get random bytes: {error}")))?;
    let name = make(&config.directories.secrets, today, &key)?;
    writeln!(out, "gate_keys: [{name:?}, {old:?}],")?;
    out.flush()?;
    hint(&format!("made {}", config.directories.secrets.join(&name).display()));
    hint(&format!("1. put the line above into spa of {}, newest first", file.display()));
    hint("2. knockctl reload: both keys are good from then on");
    hint("3. knockctl enroll NAME for each user, and send what it prints");
    hint("4. on each client knock --enroll, which then replaces the gate key alone");
    hint(&format!("5. when all have it, take {old:?} out and knockctl reload"));
    Ok(())
}

/// Writes the key under the first name that is free.
fn make(secrets: &Path, today: &str, key: &keyfile::KeyBytes) -> Result<String, Error> {
    for number in 1..=MAX_TRIES {
        let name = match number {
            1 => format!("gate-{today}.key"),
            _ => format!("gate-{today}-{number}.key"),
        };
        let path = secrets.join(&name);
        if path.exists() {
            continue;
        }
        keyfile::write_new(&path, KeyKind::Gate, key, "").map_err(Error::from_display)?;
        return Ok(name);
    }
    let text = format!("{} is full of new gate keys, remove some", secrets.display());
    Err(Error::Because(text))
}
