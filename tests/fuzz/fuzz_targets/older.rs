//! Packets of fwknop and pyknock, from strangers and from those who hold keys.
#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64Unpadded, Encoding};
use knockd::core::legacy::{Ask, Digest, MAX_PORTS, fwknop, pyknock};
use knockd::core::reason::Reason;
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

const HMAC_KEY: [u8; 64] = [7; 64];
/// What base64 makes of "Salted__", which is not sent.
const PREFIX: &[u8] = b"U2FsdGVkX1";

static FWKNOP: LazyLock<fwknop::FwknopKey> = LazyLock::new(|| {
    let secret = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    fwknop::FwknopKey::new(secret(&[9; 32]), secret(&HMAC_KEY), Digest::Sha256, true)
});
static PYKNOCK: LazyLock<pyknock::PyknockKey> =
    LazyLock::new(|| pyknock::PyknockKey::new(Zeroizing::new(HMAC_KEY.to_vec())));

fuzz_target!(|data: &[u8]| {
    stranger(data);
    holder_of_the_hmac_key(data);
    holder_of_both_keys(data);
    user_of_pyknock(data);
});

fn stranger(data: &[u8]) {
    let fwknop = FWKNOP.authenticate(data).err();
    assert!(matches!(fwknop, Some(Reason::Length | Reason::Stranger)));
    let pyknock = PYKNOCK.authenticate(data).err();
    assert!(matches!(pyknock, Some(Reason::Length | Reason::Stranger)));
}

/// Any bytes behind a valid HMAC.
fn holder_of_the_hmac_key(data: &[u8]) {
    let tag = Digest::Sha256.hmac(&HMAC_KEY, &[PREFIX, data]);
    let tag = Base64Unpadded::encode_string(tag.as_bytes());
    let packet = [data, tag.as_bytes()].concat();
    if let Ok(sealed) = FWKNOP.authenticate(&packet) {
        let _ = sealed.decode();
    }
}

/// Any fields before a valid digest.
fn holder_of_both_keys(data: &[u8]) {
    let digest = Digest::Sha256.hash(data);
    let digest = Base64Unpadded::encode_string(digest.as_bytes());
    let plain = [data, b":", digest.as_bytes()].concat();
    if let Ok(ask) = fwknop::read_plaintext(&plain, false) {
        let Ask { ports, .. } = ask;
        assert!((1..=MAX_PORTS).contains(&ports.map_or(0, |ports| ports.len())));
    }
}

fn user_of_pyknock(data: &[u8]) {
    for length in pyknock::LENGTHS {
        let mut message = data.to_vec();
        message.resize(length - 32, 0);
        let tag = Digest::Sha256.hmac(&HMAC_KEY, &[&message]);
        let packet = [tag.as_bytes(), &message].concat();
        let authentic = PYKNOCK.authenticate(&packet).expect("tagged under this key");
        if let Ok(ask) = authentic.decode() {
            assert!(ask.ports.is_none() && ask.lifetime.is_none());
        }
    }
}
