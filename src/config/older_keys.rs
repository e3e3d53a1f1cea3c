//! Key files of older programs.
//!
//! No error contains the content of a file.
#![forbid(unsafe_code)]

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::files::Bytes;
use super::problem::LineFault;
use crate::core::legacy::{fwknop, pyknock};

/// A shorter key can be guessed from one recorded packet.
const MIN_KEY: usize = 16;

/// Parses the output of `fwknop --key-gen`: lines `KEY_BASE64: ...` and
/// `HMAC_KEY_BASE64: ...`, also without the colon as in access.conf. Skips empty
/// lines and those that begin with #. Returns the keys for encryption and HMAC.
///
/// # Errors
/// The first other line, or a key that is missing, repeated, too short or too
/// long.
pub fn fwknop(bytes: &[u8]) -> Result<(Bytes, Bytes), LineFault> {
    let (mut encryption, mut hmac) = (None, None);
    for (number, line) in (1..).zip(lines(bytes)?) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |text: &str| (number, text.to_owned());
        let (word, value) = line.split_once([':', ' ', '\t']).unwrap_or((line, ""));
        let (slot, most) = match word {
            "KEY_BASE64" => (&mut encryption, fwknop::MAX_KEY),
            "HMAC_KEY_BASE64" => (&mut hmac, fwknop::MAX_HMAC_KEY),
            "KEY" | "HMAC_KEY" => {
                let text = "a passphrase can be guessed, create keys with fwknop --key-gen";
                return Err(fault(text));
            }
            _ => return Err(fault("not a line of fwknop --key-gen, remove it")),
        };
        let value = value.trim_matches([':', ' ', '\t', ';']);
        let key = Base64::decode_vec(value).map_err(|_| fault("the key is not base64"))?;
        let key = Zeroizing::new(key);
        if !(MIN_KEY..=most).contains(&key.len()) {
            let text = format!("{word} must be {MIN_KEY} to {most} bytes long");
            return Err((number, format!("{text}, create keys with fwknop --key-gen")));
        }
        if slot.replace(key).is_some() {
            return Err((number, format!("{word} appears twice, remove one")));
        }
    }
    let missing = |word| (0, format!("{word} is missing, run fwknop --key-gen --use-hmac"));
    Ok((
        encryption.ok_or_else(|| missing("KEY_BASE64"))?,
        hmac.ok_or_else(|| missing("HMAC_KEY_BASE64"))?,
    ))
}

/// Parses a key of pyknock: one line, as on the command line of pyknock-client.
///
/// # Errors
/// When there is more than one line, or the key is too short or too long.
pub fn pyknock(bytes: &[u8]) -> Result<Bytes, LineFault> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.contains(&b'\n') {
        return Err((2, "the file must have one line, the key".to_owned()));
    }
    // The client would send other bytes than those in the file.
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err((1, "the key must be printable ASCII, as on the command line".to_owned()));
    }
    if !(MIN_KEY..=pyknock::MAX_KEY).contains(&line.len()) {
        let text = format!("the key must be {MIN_KEY} to {} bytes long", pyknock::MAX_KEY);
        return Err((1, format!("{text}, create one with openssl rand -base64 24")));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = &str>, LineFault> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| (0, "not a text file, name a key file".to_owned()))?;
    Ok(text.lines().map(str::trim))
}
