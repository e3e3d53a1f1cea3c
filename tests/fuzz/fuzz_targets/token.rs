//! Datagrams from strangers, and from those who hold the gate key.
#![no_main]

use std::sync::LazyLock;

use knockd::core::mark::{MARK_LENGTH, NONCE_LENGTH};
use knockd::core::reason::Reason;
use knockd::core::token::{CLAIM_LENGTH, GateKey, PROOF_LENGTH};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

static KEY: LazyLock<GateKey> = LazyLock::new(|| GateKey::new(Zeroizing::new([7; 32])));

fuzz_target!(|data: &[u8]| {
    stranger(data);
    insider(data);
});

/// No datagram passes without the key, whatever its length and mark.
fn stranger(data: &[u8]) {
    let expected =
        if data.len() == KEY.token_length() { Reason::Stranger } else { Reason::Length };
    assert_eq!(KEY.open(data).err(), Some(expected));

    let mut fitting = data.to_vec();
    fitting.resize(KEY.token_length(), 0);
    assert_eq!(KEY.open(&fitting).err(), Some(Reason::Stranger));
    let (nonce, rest) = fitting.split_first_chunk_mut().expect("a constant length");
    rest[..MARK_LENGTH].copy_from_slice(&KEY.mark_key().mark(nonce));
    assert_eq!(KEY.open(&fitting).err(), Some(Reason::Stranger));
}

/// Whatever is sealed comes back as it was, and a claim that can be read is
/// written the same way again: no claim has two forms.
fn insider(data: &[u8]) {
    let mut body = [0; NONCE_LENGTH + CLAIM_LENGTH + PROOF_LENGTH];
    let length = data.len().min(body.len());
    body[..length].copy_from_slice(&data[..length]);
    let (nonce, rest) = body.split_first_chunk().expect("a constant length");
    let (claim, proof) = rest.split_first_chunk().expect("a constant length");
    let proof = proof.first_chunk().expect("a constant length");

    let salt = KEY.salt(nonce);
    let datagram = KEY.seal(&salt, claim, proof, &[0; 255]);
    let opened = KEY.open(&datagram).expect("sealed under this key");
    assert_eq!((opened.salt, opened.claim(), opened.proof()), (salt, claim, proof));
    if let Ok(request) = opened.decode() {
        assert_eq!(&request.encode(), claim);
    }
}
