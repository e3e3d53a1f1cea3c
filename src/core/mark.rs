//! The mark of a token's nonce, which the filter in the kernel checks.
//!
//! It is no proof: whoever has seen a token can repeat its nonce and mark. It has
//! only operations that classic BPF has on every system.

use std::fmt;

use zeroize::Zeroizing;

/// Length of the nonce, three words.
pub const NONCE_LENGTH: usize = 12;
/// Length of the mark, one word.
pub const MARK_LENGTH: usize = 4;

/// Random bytes, unique per token.
pub type Nonce = [u8; NONCE_LENGTH];

/// The key of marks, derived from a gate key.
#[derive(Clone, PartialEq, Eq)]
pub struct MarkKey(Zeroizing<[u32; 8]>);

impl MarkKey {
    /// The key with these words, big-endian.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut words = Zeroizing::new([0; 8]);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self(words)
    }

    /// What the words of a nonce are multiplied by.
    #[must_use]
    pub fn factors(&self) -> [u32; 3] {
        let [a, b, c, ..] = *self.0;
        [a | 1, b | 1, c | 1]
    }

    /// What is added to their sum.
    #[must_use]
    pub fn summand(&self) -> u32 {
        self.0[3]
    }

    /// The factor of each round.
    #[must_use]
    pub fn rounds(&self) -> [u32; 4] {
        let [.., a, b, c, d] = *self.0;
        [a | 1, b | 1, c | 1, d | 1]
    }

    /// The mark of `nonce`.
    #[must_use]
    pub fn mark(&self, nonce: &Nonce) -> [u8; MARK_LENGTH] {
        let words = nonce.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
        let sum = words.zip(self.factors()).fold(self.summand(), |sum, (word, factor)| {
            sum.wrapping_add(word.wrapping_mul(factor))
        });
        let mixed = self
            .rounds()
            .into_iter()
            .fold(sum, |word, factor| word.wrapping_add(word >> 15).wrapping_mul(factor));
        mixed.wrapping_add(mixed >> 16).to_be_bytes()
    }

    /// Whether `datagram` begins with a nonce and its mark.
    #[must_use]
    pub fn marks(&self, datagram: &[u8]) -> bool {
        datagram
            .split_first_chunk()
            .is_some_and(|(nonce, rest)| rest.starts_with(&self.mark(nonce)))
    }
}

impl fmt::Debug for MarkKey {
    /// Shows no byte of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MarkKey")
    }
}
