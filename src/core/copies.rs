//! Recognises copies of datagrams that were honoured, before any other work.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

/// The most datagrams remembered: 100 kB. A copy of one that was forgotten is found
/// by its salt, after its tag was checked.
const ROOM: usize = 2048;

/// Datagrams by a keyed hash of all their bytes, each with a note of type `N`.
///
/// Nobody without the key can make a datagram with the hash of another. Without
/// intent, a new one meets an old one's hash once in 2^53 datagrams.
#[derive(Debug)]
pub struct Copies<N> {
    hasher: SipHasher13,
    notes: HashMap<u64, N, BuildHasherDefault<Hashed>>,
    /// The same hashes, the oldest first.
    order: VecDeque<u64>,
}

impl<N> Copies<N> {
    /// Remembers nothing yet. The key is to be random and of this process alone.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(&key),
            notes: HashMap::default(),
            order: VecDeque::new(),
        }
    }

    /// Remembers a datagram; forgets the oldest when there is no room.
    pub fn remember(&mut self, datagram: &[u8], note: N) {
        let hash = self.hasher.hash(datagram);
        if self.notes.insert(hash, note).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > ROOM
            && let Some(oldest) = self.order.pop_front()
        {
            self.notes.remove(&oldest);
        }
    }

    /// The note of an equal datagram.
    #[must_use]
    pub fn get(&self, datagram: &[u8]) -> Option<&N> {
        self.notes.get(&self.hasher.hash(datagram))
    }
}

/// A hash as it is: it is keyed already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_datagram_is_a_copy_and_one_of_another_bit_is_not() {
        let mut copies = Copies::new([7; 16]);
        let datagram = [5; 168];
        assert_eq!(copies.get(&datagram), None);
        copies.remember(&datagram, 'a');
        assert_eq!(copies.get(&datagram), Some(&'a'));
        for bit in 0..datagram.len() * 8 {
            let mut other = datagram;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(copies.get(&other), None, "bit {bit}");
        }
        assert_eq!(copies.get(&datagram[..167]), None);
    }

    #[test]
    fn the_oldest_give_way_and_memory_stays_bounded() {
        let mut copies = Copies::new([7; 16]);
        let datagrams = 0..2 * ROOM as u64;
        for number in datagrams.clone() {
            copies.remember(&number.to_be_bytes(), number);
            copies.remember(&number.to_be_bytes(), number);
        }
        assert_eq!((copies.notes.len(), copies.order.len()), (ROOM, ROOM));
        let known = datagrams.filter(|number| copies.get(&number.to_be_bytes()).is_some());
        assert!(known.eq(ROOM as u64..2 * ROOM as u64));
    }

    #[test]
    fn another_key_gives_other_hashes() {
        let [one, other] = [[1; 16], [2; 16]].map(|key| Copies::<()>::new(key).hasher);
        assert_ne!(one.hash(b"token"), other.hash(b"token"));
    }
}
