//! `knockctl rotate gate`: creates a second gate key next to the first.

use std::io::Write;
use std::path::Path;

use super::{CtlError, hint};
use crate::config;
use crate::keyfile::{self, KeyKind};

/// The most gate keys of one day.
const MAX_NAMES: u32 = 100;

/// Creates the new key and prints the line for the configuration.
pub(super) fn rotate_gate(
    file: &Path,
    today: &str,
    out: &mut dyn Write,
) -> Result<(), CtlError> {
    let config = config::load(file).map_err(CtlError::new)?;
    let shown = file.display();
    let old = match &config.gate_keys[..] {
        [] => {
            let text = format!("{shown} has no gate key, see spa in knockd.ron(5)");
            return Err(CtlError::new(text));
        }
        [old] => old,
        [.., old] => {
            return Err(CtlError::new(format!(
                "{shown} already has two gate keys: remove {old:?} when every client has the \
                 other, and run knockctl reload"
            )));
        }
    };
    let secrets = &config.directories.secrets;
    let name = free_name(secrets, today)?;
    keyfile::create(&secrets.join(&name), KeyKind::Gate).map_err(CtlError::new)?;
    writeln!(out, "gate_keys: [{name:?}, {old:?}],")?;
    out.flush()?;
    hint(&format!("created {}", secrets.join(&name).display()));
    hint(&format!("1. replace gate_keys in spa of {shown} with the line above"));
    hint("2. knockctl reload; from now on both keys are valid");
    hint("3. knockctl enroll NAME for each user, and send the user its output");
    hint("4. on each client: knock --enroll, which replaces only the gate key");
    hint(&format!("5. when every client has the new key, remove {old:?}; knockctl reload"));
    Ok(())
}

/// The first name of today that no file has.
fn free_name(secrets: &Path, today: &str) -> Result<String, CtlError> {
    for number in 1..=MAX_NAMES {
        let name = match number {
            1 => format!("gate-{today}.key"),
            _ => format!("gate-{today}-{number}.key"),
        };
        if !secrets.join(&name).exists() {
            return Ok(name);
        }
    }
    let secrets = secrets.display();
    Err(CtlError::new(format!("{secrets} has {MAX_NAMES} gate keys of today, remove some")))
}
