//! Words of pf.conf(5) that do not decide whether a packet passes.
#![forbid(unsafe_code)]

/// First words of lines that filter no packet: translation, normalisation
/// and traffic shaping, which some systems print among the rest.
pub const ASIDE: [&str; 12] = [
    "scrub",
    "no",
    "nat",
    "rdr",
    "binat",
    "nat-anchor",
    "rdr-anchor",
    "binat-anchor",
    "scrub-anchor",
    "dummynet",
    "dummynet-anchor",
    "[",
];

/// Options without an argument that decide nothing about a match.
pub const PLAIN: [&str; 12] = [
    "once",
    "allow-opts",
    "divert-reply",
    "no-df",
    "random-id",
    "round-robin",
    "sticky-address",
    "random",
    "bitmask",
    "least-states",
    "static-port",
    "no-sync",
];

/// Options with one argument that decide nothing about a match.
pub const WITH_ARGUMENT: [&str; 19] = [
    "label",
    "tag",
    "rtable",
    "set",
    "scrub",
    "queue",
    "min-ttl",
    "max-mss",
    "set-tos",
    "ridentifier",
    "dnpipe",
    "dnqueue",
    "route-to",
    "reply-to",
    "dup-to",
    "source-hash",
    "keep",
    "modulate",
    "synproxy",
];
