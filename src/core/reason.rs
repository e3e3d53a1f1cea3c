//! Why packets open nothing: a closed list of reasons, one word each.

use std::fmt;

use super::bytes::Malformed;

#[derive(Debug)]
struct Row {
    word: &'static str,
    is_noise: bool,
    rank: u8,
    hint: &'static str,
}

/// A reason that strangers, scans and incomplete sequences cause.
const fn noise(word: &'static str) -> Row {
    Row { word, is_noise: true, rank: u8::MAX, hint: "" }
}

/// A reason that the holder of a key or a valid packet causes.
const fn news(word: &'static str) -> Row {
    Row { is_noise: false, ..noise(word) }
}

impl Row {
    /// See [`Reason::or_higher`]. Rows without a rank have the highest.
    const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// Advice for the log, where the word alone is not enough.
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
            /// All reasons, in the order in which a packet meets them.
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
    /// A fragment.
    Fragment: noise("fragment"),
    /// Neither TCP nor UDP over IP, or too many extension headers.
    Foreign: noise("foreign"),
    /// Its source is not the address of a host.
    Source: noise("source"),
    /// No sequence and no token port takes this packet.
    Idle: noise("idle").rank(0),
    /// A step of a sequence, but not the last.
    Step: noise("step").rank(3),
    /// The same packet again: a retransmission, or a copy from another interface.
    Duplicate: noise("duplicate").rank(2),
    /// It ended the sender's attempt at a sequence.
    Reset: noise("reset").rank(1),
    /// A datagram to the SPA port without the length of a token.
    Length: news("length").rank(0),
    /// Its mark or tag is not of a valid gate key: a stranger's or a changed
    /// packet.
    Stranger: news("stranger").rank(1),
    /// A token of another version than 1.
    Version: news("version"),
    /// Unknown flags, a padding that is not zero, or contradicting fields.
    Invalid: news("invalid"),
    /// An older client asks for NAT, a command, or to close a door.
    Unsupported: news("unsupported"),
    /// No user has this id.
    Unknown: news("unknown"),
    /// Issued longer ago than the allowed skew.
    Stale: news("stale"),
    /// Issued further ahead than the allowed skew.
    Early: news("early"),
    /// Issued at a time of which this run does not know all used tokens.
    Uncertain: news("uncertain"),
    /// Used before.
    Replayed: news("replayed"),
    /// The user's validity has not begun.
    Pending: news("pending"),
    /// The validity of the user or of its key is over.
    Expired: news("expired"),
    /// The user may not open this door, or no door has this id.
    Forbidden: news("forbidden"),
    /// Its destination is not an address that the door names.
    Target: news("target"),
    /// The token names another address than its source, or not one of a host.
    Address: news("address")
        .hint("behind NAT both the user and the client's hosts.ron need source: Observed"),
    /// The token names no address, and the user may not use the packet's source.
    Unnamed: news("unnamed").hint("the user needs source: Observed"),
    /// The user or its key may not be used from this network.
    Network: news("network").hint("see networks of the user and from= of the key"),
    /// Too many proofs of this user in a short time.
    Throttled: news("throttled"),
    /// The security key was not touched.
    Untouched: news("untouched"),
    /// The security key did not verify its user, but must.
    Unverified: news("unverified"),
    /// The proof is not the user's.
    Unproven: news("unproven"),
    /// The security key's counter did not rise: the key may have been copied.
    Counter: news("counter").hint("there may be a copy of the security key"),
    /// A limit is reached: the daemon's, the door's or the user's.
    Full: news("full"),
    /// The firewall did not take the address, or the journal not the token.
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

    /// Whether strangers cause it, so that it is logged when verbose only.
    #[must_use]
    pub const fn is_noise(self) -> bool {
        self.row().is_noise
    }

    /// Advice for the log, where the word alone is not enough; else empty.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }

    /// The more telling of two reasons for one packet, which two keys or two
    /// sequences gave.
    #[must_use]
    pub const fn or_higher(self, other: Self) -> Self {
        if other.row().rank > self.row().rank { other } else { self }
    }

    /// Its number in messages between processes.
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

/// How often each reason occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally([u64; Reason::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; Reason::ALL.len()])
    }
}

impl Tally {
    /// Counts `reason` once.
    pub fn count(&mut self, reason: Reason) {
        self.add(reason, 1);
    }

    /// Counts `reason` that many times.
    pub fn add(&mut self, reason: Reason, times: u64) {
        let slot = &mut self.0[reason as usize];
        *slot = slot.saturating_add(times);
    }

    /// The reasons that occurred, and how often.
    pub fn counted(&self) -> impl Iterator<Item = (Reason, u64)> {
        let all = Reason::ALL.iter().map(|reason| (*reason, self.of(*reason)));
        all.filter(|(_, times)| *times != 0)
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How often `reason` occurred.
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
