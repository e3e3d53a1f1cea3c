//! bpf of FreeBSD on 64-bit machines: `<net/bpf.h>`.
#![forbid(unsafe_code)]

use super::abi::{self, Devices, bpf, program_pointer};
use crate::core::link::Link;
use crate::ioctl::layout::{Pointer, constants, field, requests, structs};

constants! {
    BPF_ALIGNMENT: u32 = 8,
    DLT_NULL: u32 = 0,
    DLT_EN10MB: u32 = 1,
    DLT_PPP: u32 = 9,
    DLT_RAW: u32 = 12,
    DLT_LOOP: u32 = 108,
    DLT_PFLOG: u32 = 117,
    BPF_D_IN: u32 = 0,
    BPF_D_INOUT: u32 = 1,
    AF_INET: u32 = 2,
    AF_INET6: u32 = 28,
    RTM_VERSION: u32 = 5,
    RTM_GET: u32 = 4,
    RTA_DST: u32 = 1,
    RTA_NETMASK: u32 = 4,
    RTF_REJECT: u32 = 0x8,
    RTF_BLACKHOLE: u32 = 0x1000,
}

structs! {
    /// The header of a packet.
    BpfHdr = "bpf_hdr", 32 {
        0 bh_tstamp: [u64; 2],
        16 bh_caplen: u32,
        20 bh_datalen: u32,
        24 bh_hdrlen: u16,
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
    RtMsghdr = "rt_msghdr", 152 {
        0 rtm_msglen: u16,
        2 rtm_version: u8,
        3 rtm_type: u8,
        4 rtm_index: u16,
        8 rtm_flags: i32,
        12 rtm_addrs: i32,
        16 rtm_pid: i32,
        20 rtm_seq: i32,
        24 rtm_errno: i32,
        28 rtm_fmask: i32,
        32 rtm_inits: u64,
        40 rtm_rmx: [u64; 14],
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
    IN 119 BIOCSDIRECTION(u32, Pointer::Nowhere) = 0x8004_4277,
    VOID 122 BIOCLOCK((), Pointer::Nowhere) = 0x2000_427a,
    IN 123 BIOCSETWF(BpfProgram, program_pointer!()) = 0x8010_427b,
}

/// bpf of FreeBSD. Packets on loopback count as incoming.
pub static ABI: abi::Abi = bpf! {
    address_alignment: 8,
    devices: Devices::Cloning("/dev/bpf"),
    set_write_filter: Some(BIOCSETWF),
    set_direction: BIOCSDIRECTION,
    incoming: BPF_D_IN,
    both: BPF_D_INOUT,
    loopback_goes_out: false,
    lock: Some(BIOCLOCK),
};
