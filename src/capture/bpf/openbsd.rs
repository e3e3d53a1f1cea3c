//! bpf of OpenBSD on 64-bit machines: `<net/bpf.h>`.
#![forbid(unsafe_code)]

use super::abi::{self, Devices, bpf, program_pointer};
use crate::core::link::Link;
use crate::ioctl::layout::{Pointer, constants, field, requests, structs};

constants! {
    BPF_ALIGNMENT: u32 = 4,
    DLT_NULL: u32 = 0,
    DLT_EN10MB: u32 = 1,
    DLT_PPP: u32 = 9,
    DLT_LOOP: u32 = 12,
    DLT_RAW: u32 = 14,
    DLT_PFLOG: u32 = 117,
    BPF_DIRECTION_OUT: u32 = 2,
    AF_INET: u32 = 2,
    AF_INET6: u32 = 24,
    RTM_VERSION: u32 = 5,
    RTM_GET: u32 = 4,
    RTA_DST: u32 = 1,
    RTA_NETMASK: u32 = 4,
    RTF_REJECT: u32 = 0x8,
    RTF_BLACKHOLE: u32 = 0x1000,
}

/// Drops packets of neither direction: the argument has the directions to drop.
const DROP_NONE: u32 = 0;

structs! {
    /// The header of a packet.
    BpfHdr = "bpf_hdr", 28 {
        0 bh_tstamp: [u32; 2],
        8 bh_caplen: u32,
        12 bh_datalen: u32,
        16 bh_hdrlen: u16,
        18 bh_ifidx: u16,
        20 bh_flowid: u16,
        22 bh_flags: u8,
        23 bh_drops: u8,
        24 bh_csumflags: u16,
    }
    /// A filter.
    BpfProgram = "bpf_program", 16 {
        0 bf_len: u32,
        8 bf_insns: u64,
    }
    /// An interface, by its name.
    Ifreq = "ifreq", 32 {
        0 ifr_name: [u8; 16],
        16 ifr_ifru: [u64; 2],
    }
    /// What was received and dropped.
    BpfStat = "bpf_stat", 8 {
        0 bs_recv: u32,
        4 bs_drop: u32,
    }
    /// A message about a route.
    RtMsghdr = "rt_msghdr", 96 {
        0 rtm_msglen: u16,
        2 rtm_version: u8,
        3 rtm_type: u8,
        4 rtm_hdrlen: u16,
        6 rtm_index: u16,
        8 rtm_tableid: u16,
        10 rtm_priority: u8,
        11 rtm_mpls: u8,
        12 rtm_addrs: i32,
        16 rtm_flags: i32,
        20 rtm_fmask: i32,
        24 rtm_pid: i32,
        28 rtm_seq: i32,
        32 rtm_errno: i32,
        36 rtm_inits: u32,
        40 rtm_rmx: [u64; 7],
    }
}

requests! { b'B';
    OUT 102 BIOCGBLEN(u32, Pointer::Nowhere) = 0x4004_4266,
    IN_OUT 102 BIOCSBLEN(u32, Pointer::Nowhere) = 0xc004_4266,
    IN 103 BIOCSETF(BpfProgram, program_pointer!()) = 0x8010_4267,
    OUT 106 BIOCGDLT(u32, Pointer::Nowhere) = 0x4004_426a,
    IN 108 BIOCSETIF(Ifreq, Pointer::Nowhere) = 0x8020_426c,
    OUT 111 BIOCGSTATS(BpfStat, Pointer::Nowhere) = 0x4008_426f,
    IN 112 BIOCIMMEDIATE(u32, Pointer::Nowhere) = 0x8004_4270,
    VOID 118 BIOCLOCK((), Pointer::Nowhere) = 0x2000_4276,
    IN 119 BIOCSETWF(BpfProgram, program_pointer!()) = 0x8010_4277,
    IN 125 BIOCSDIRFILT(u32, Pointer::Nowhere) = 0x8004_427d,
}

/// bpf of OpenBSD.
pub static ABI: abi::Abi = bpf! {
    address_alignment: 8,
    devices: Devices::Cloning("/dev/bpf"),
    set_write_filter: Some(BIOCSETWF),
    set_direction: BIOCSDIRFILT,
    incoming: BPF_DIRECTION_OUT,
    both: DROP_NONE,
    loopback_goes_out: true,
    lock: Some(BIOCLOCK),
};
