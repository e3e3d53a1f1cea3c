//! From an interface to sightings: the way in.

/// What precedes the network layer in a frame.
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
    /// pf's log interface (`DLT_PFLOG`).
    Pflog,
    /// Linux's cooked capture, version 1 (`DLT_LINUX_SLL`); in files only.
    Sll,
}
