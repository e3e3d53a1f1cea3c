//! Why something was ignored or refused: a closed list, one word each.

use std::fmt;

use super::bytes::Malformed;

/// What is known of a reason.
#[derive(Debug)]
struct Row {
    word: &'static str,
    is_noise: bool,
    rank: u8,
    hint: &'static str,
}

/// A reason that strangers, scans and half-done knocks cause.
const fn noise(word: &'static str) -> Row {
    Row { word, is_noise: true, rank: u8::MAX, hint: "" }
}

/// A reason that someone with a key causes, or a valid packet.
const fn news(word: &'static str) -> Row {
    Row { is_noise: false, ..noise(word) }
}

impl Row {
    /// See [`Reason::or_higher`]. Rows without a rank have the highest.
    const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// What to look at, where the word alone does not tell.
    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident: $row:expr,)+) => {
        /// Why a packet opened nothing. knockd-messages(7) explains every word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them, in the order of the packet's way.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
            const ROWS: [Row; Self::ALL.len()] = [$($row,)+];
        }
    };
}

reasons! {
    /// The frame ends before its headers do, or was captured in part.
    Truncated: noise("truncated"),
    /// A header's length or version contradicts the frame.
    Malformed: noise("malformed"),
    /// A fragment: it shows no whole datagram.
    Fragment: noise("fragment"),
    /// Neither TCP nor UDP over IP, or too many extension headers.
    Foreign: noise("foreign"),
    /// Its source cannot be a host's address.
    Source: noise("source"),
    /// Nothing waits for this packet.
    Idle: noise("idle").rank(0),
    /// A step of a sequence, not the last.
    Step: noise("step").rank(3),
    /// The same packet again: a retransmission, or a copy from another interface.
    Duplicate: noise("duplicate").rank(2),
    /// It ended the sender's attempt at a sequence.
    Reset: noise("reset").rank(1),
    /// A datagram to the SPA port that is not as long as a token.
    Length: news("length").rank(0),
    /// No valid gate key made its tag: a stranger, or a changed packet.
    Stranger: news("stranger").rank(1),
    /// Another version of the token than 1.
    Version: news("version"),
    /// Unknown flags, a padding that is not zero, or fields that contradict
    /// each other.
    Invalid: news("invalid"),
    /// An older client asks for what is not to be had: NAT, a command, to close.
    Unsupported: news("unsupported"),
    /// No user has this id.
    Unknown: news("unknown"),
    /// Issued longer ago than the allowed skew.
    Stale: news("stale"),
    /// Issued further ahead than the allowed skew.
    Early: news("early"),
    /// Issued before the moment from which this run can tell new from old.
    Uncertain: news("uncertain"),
    /// Seen before.
    Replayed: news("replayed"),
    /// The user's validity has not begun.
    Pending: news("pending"),
    /// The validity of the user or of its key is over.
    Expired: news("expired"),
    /// The user may not open this door, or no door has this id.
    Forbidden: news("forbidden"),
    /// It did not go to an address that the door names.
    Target: news("target"),
    /// The token names an address that it does not come from, or no host's.
    Address: news("address").hint("behind NAT the user needs source: Observed"),
    /// The token names no address, and the user may not have the packet's.
    Unnamed: news("unnamed").hint("the user needs source: Observed"),
    /// The user or its key may not be where the packet comes from.
    Network: news("network").hint("see networks of the user and from= of the key"),
    /// Too many proofs of this user in a short time.
    Throttled: news("throttled"),
    /// Nobody touched the security key.
    Untouched: news("untouched"),
    /// The security key did not know who touched it, and must.
    Unverified: news("unverified"),
    /// The proof is not the user's.
    Unproven: news("unproven"),
    /// The security key's counter went back: there may be two of it.
    Counter: news("counter").hint("there may be a copy of the security key"),
    /// A limit is reached: the daemon's, the door's or the user's.
    Full: news("full"),
    /// The firewall did not take the address.
    Failed: news("failed"),
}

impl Reason {
    const fn row(self) -> &'static Row {
        &Self::ROWS[self as usize]
    }

    /// The word that logs and counters use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// Whether it tells nothing about anyone who holds a key.
    #[must_use]
    pub const fn is_noise(self) -> bool {
        self.row().is_noise
    }

    /// What to look at, where the word alone does not tell; else empty.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }

    /// Of two reasons for one packet, by two keys or two sequences, the one
    /// that tells more.
    #[must_use]
    pub const fn or_higher(self, other: Self) -> Self {
        if other.row().rank > self.row().rank { other } else { self }
    }

    /// Its number between two processes of the daemon.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<Malformed> for Reason {
    fn from(_: Malformed) -> Self {
        Self::Invalid
    }
}

/// How often each reason was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally([u64; Reason::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Reason::ALL.len()])
    }
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, reason: Reason) {
        self.add(reason, 1);
    }

    /// Counts that many more.
    pub fn add(&mut self, reason: Reason, times: u64) {
        let slot = &mut self.0[reason as usize];
        *slot = slot.saturating_add(times);
    }

    /// Those that were counted, and how often.
    pub fn counted(&self) -> impl Iterator<Item = (Reason, u64)> {
        let all = Reason::ALL.iter().map(|reason| (*reason, self.of(*reason)));
        all.filter(|(_, times)| *times != 0)
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How often `reason` was counted.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }
}

impl fmt::Display for Tally {
    /// As in `3 stale, 1 replayed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (reason, times) in self.counted() {
            write!(f, "{comma}{times} {reason}")?;
            comma = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_its_own_counter() {
        let mut tally = Tally::default();
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
            tally.count(*reason);
        }
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().all(|reason| tally.of(*reason) == 1));
    }
}
