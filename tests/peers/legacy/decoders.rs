//! No bytes make a decoder panic, and none but an authentic packet is read.

use knockd::core::credential::CredentialKey;
use knockd::core::legacy::{Digest, fwknop, pyknock};
use knockd::core::reason::Reason;
use proptest::collection::vec;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::clients::{fwknop_credential, pyknock_credential};

fn is_strange(datagram: &[u8]) -> bool {
    [
        fwknop_credential(Digest::Sha256, true),
        fwknop_credential(Digest::Sha3_512, true),
        pyknock_credential(),
    ]
    .iter()
    .all(|credential| {
        let CredentialKey::Older(key) = &credential.key else { panic!("{credential:?}") };
        matches!(key.read(datagram), Err(Reason::Length | Reason::Stranger))
    })
}

proptest! {
    #[test]
    fn random_datagrams_are_strangers(datagram in vec(any::<u8>(), 0..1600)) {
        prop_assert!(is_strange(&datagram));
    }

    #[test]
    fn base64_that_nobody_authenticated_is_strange(datagram in "[A-Za-z0-9+/=]{0,1600}") {
        prop_assert!(is_strange(datagram.as_bytes()));
    }

    /// The plaintext is behind an HMAC, but whoever holds the key may send
    /// anything.
    #[test]
    fn what_a_user_of_pyknock_makes_up_is_read_or_refused(message in vec(any::<u8>(), 17..=29)) {
        let psk = b"0123456789abcdef".to_vec();
        let tag = Digest::Sha256.hmac(&psk, &[&message]);
        let key = pyknock::PyknockKey::new(Zeroizing::new(psk));
        let datagram = [tag.as_bytes(), &message].concat();
        if let Ok(authentic) = key.authenticate(&datagram) {
            if let Ok(ask) = authentic.decode() {
                prop_assert!(ask.ports.is_none());
            }
        } else {
            prop_assert!(!pyknock::LENGTHS.contains(&datagram.len()));
        }
    }
}

#[test]
fn the_shortest_and_the_longest_are_strangers() {
    for length in [0, 1, fwknop::MIN_LENGTH, fwknop::MAX_LENGTH, 65_507] {
        assert!(is_strange(&vec![b'A'; length]), "{length}");
    }
}
