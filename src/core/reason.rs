//! Why something was ignored or refused: a closed list, one word each.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// Why a packet opened nothing. Every word stands in knockd(8).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them, in the order of the packet's way.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word that logs and counters use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

reasons! {
    /// The frame ends before its headers do, or was captured in part.
    Truncated = "truncated",
    /// A header's length or version contradicts the frame.
    Malformed = "malformed",
    /// A fragment: it shows no whole datagram.
    Fragment = "fragment",
    /// Neither TCP nor UDP over IP, or too many extension headers.
    Foreign = "foreign",
    /// Its source cannot be a host's address.
    Source = "source",
    /// Nothing waits for this packet.
    Idle = "idle",
    /// A step of a sequence, not the last.
    Step = "step",
    /// The same packet again: a retransmission, or a copy from another interface.
    Duplicate = "duplicate",
    /// It ended the sender's attempt at a sequence.
    Reset = "reset",
    /// A datagram to the SPA port that is not as long as a token.
    Length = "length",
    /// No valid gate key made its tag: a stranger, or a changed packet.
    Stranger = "stranger",
    /// Another version of the token than 1.
    Version = "version",
    /// Unknown flags, a padding that is not zero, or fields that contradict
    /// each other.
    Invalid = "invalid",
    /// An older client asks for what is not to be had: NAT, a command, to close.
    Unsupported = "unsupported",
    /// No user has this id.
    Unknown = "unknown",
    /// Issued longer ago than the allowed skew.
    Stale = "stale",
    /// Issued further ahead than the allowed skew.
    Early = "early",
    /// Issued before the moment from which this run can tell new from old.
    Uncertain = "uncertain",
    /// Seen before.
    Replayed = "replayed",
    /// The user's validity has not begun.
    Pending = "pending",
    /// The validity of the user or of its key is over.
    Expired = "expired",
    /// The user may not open this door, or no door has this id.
    Forbidden = "forbidden",
    /// It did not go to an address that the door names.
    Target = "target",
    /// The token names an address that it does not come from, or no host's.
    Address = "address",
    /// The token names no address, and the user may not have the packet's.
    Unnamed = "unnamed",
    /// The user or its key may not be where the packet comes from.
    Network = "network",
    /// Too many proofs of this user in a short time.
    Throttled = "throttled",
    /// Nobody touched the security key.
    Untouched = "untouched",
    /// The security key did not know who touched it, and must.
    Unverified = "unverified",
    /// The proof is not the user's.
    Unproven = "unproven",
    /// The security key's counter went back: there may be two of it.
    Counter = "counter",
    /// A limit is reached: the daemon's, the door's or the user's.
    Full = "full",
    /// The firewall did not take the address.
    Failed = "failed",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
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
    #[must_use]
    pub fn counted(&self) -> Vec<(Reason, u64)> {
        let all = Reason::ALL.iter().map(|reason| (*reason, self.of(*reason)));
        all.filter(|(_, times)| *times != 0).collect()
    }

    /// How often `reason` was counted.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
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
