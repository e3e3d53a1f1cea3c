//! Key files of older programs, as those print or take them.
//!
//! No error repeats what a file holds.
#![forbid(unsafe_code)]

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::core::legacy::{fwknop, pyknock};

/// Shorter ones are guessed from one recorded packet.
const MIN_KEY: usize = 16;

/// A key that is wiped when dropped.
type Bytes = Zeroizing<Vec<u8>>;

/// In which line, 0 being none, and what is wrong.
type Fault = (usize, String);

/// The keys for encryption and HMAC in what `fwknop --key-gen` prints: lines
/// `KEY_BASE64: ...` and `HMAC_KEY_BASE64: ...`, also without the colon as in
/// access.conf. Empty lines and those that begin with # are skipped.
///
/// # Errors
/// What is not such a line, a key that is missing, there twice, too short or
/// too long.
pub fn fwknop(bytes: &[u8]) -> Result<(Bytes, Bytes), Fault> {
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
                let text = "a passphrase can be guessed, make keys by fwknop --key-gen";
                return Err(fault(text));
            }
            _ => return Err(fault("not a line of fwknop --key-gen, remove it")),
        };
        let value = value.trim_matches([':', ' ', '\t', ';']);
        let key = Base64::decode_vec(value).map_err(|_| fault("the key is no base64"))?;
        let key = Zeroizing::new(key);
        if !(MIN_KEY..=most).contains(&key.len()) {
            let text = format!("{word} must be {MIN_KEY} to {most} bytes long");
            return Err((number, format!("{text}, make keys by fwknop --key-gen")));
        }
        if slot.replace(key).is_some() {
            return Err((number, format!("{word} is there twice, remove one")));
        }
    }
    let missing = |word| (0, format!("there is no {word}, run fwknop --key-gen --use-hmac"));
    Ok((
        encryption.ok_or_else(|| missing("KEY_BASE64"))?,
        hmac.ok_or_else(|| missing("HMAC_KEY_BASE64"))?,
    ))
}

/// The key of pyknock in a file: its one line is what stands on the command
/// line of pyknock-client.
///
/// # Errors
/// Anything but one line, and a key that is too short or too long.
pub fn pyknock(bytes: &[u8]) -> Result<Bytes, Fault> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.contains(&b'\n') {
        return Err((2, "the file must hold one line, the key".to_owned()));
    }
    // The client would send another byte for it than stands in the file.
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err((1, "the key must be printable ASCII, as on the command line".to_owned()));
    }
    if !(MIN_KEY..=pyknock::MAX_KEY).contains(&line.len()) {
        let text = format!("the key must be {MIN_KEY} to {} bytes long", pyknock::MAX_KEY);
        return Err((1, format!("{text}, make one by openssl rand -base64 24")));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = &str>, Fault> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| (0, "the file is not text, name a key file".to_owned()))?;
    Ok(text.lines().map(str::trim))
}
