//! Link types.

/// The header before the network layer in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet, with or without 802.1Q and 802.1ad tags (`DLT_EN10MB`).
    Ethernet,
    /// The address family in four bytes, host order (`DLT_NULL`).
    Null,
    /// The address family in four bytes, network order (OpenBSD's `DLT_LOOP`).
    Loop,
    /// Nothing: the IP header comes first (`DLT_RAW`).
    Raw,
    /// PPP, its address and control field there or compressed away (`DLT_PPP`).
    Ppp,
    /// pf's log interface (`DLT_PFLOG`).
    Pflog,
}

impl Link {
    /// All link types, by number.
    pub const ALL: [Self; 6] =
        [Self::Ethernet, Self::Null, Self::Loop, Self::Raw, Self::Ppp, Self::Pflog];

    /// Its number in messages between processes.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The link type with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
