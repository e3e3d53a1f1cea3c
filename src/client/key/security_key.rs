//! A security key of type sk-ssh-ed25519. It signs through an agent alone.

use super::SshType;
use crate::core::credential::security_key;

/// How agents sign with it: flags and counter follow the signature.
pub const TYPE: SshType = SshType {
    kind: &security_key::KIND,
    private: |_| None,
    proof: |reader| Ok([reader.string()?, reader.rest()].concat()),
};
