//! bpf of FreeBSD on 32-bit machines but i386: pointers are narrower.
#![forbid(unsafe_code)]

use super::abi::{self, Devices, bpf, program_pointer};
pub use super::freebsd::{
    AF_INET, AF_INET6, BIOCGBLEN, BIOCGDLT, BIOCGSTATS, BIOCIMMEDIATE, BIOCLOCK, BIOCSBLEN,
    BIOCSDIRECTION, BIOCSETIF, BPF_D_IN, BPF_D_INOUT, BpfHdr, BpfStat, DLT_EN10MB, DLT_LOOP,
    DLT_NULL, DLT_PFLOG, DLT_PPP, DLT_RAW, Ifreq, RTA_DST, RTA_NETMASK, RTF_BLACKHOLE,
    RTF_REJECT, RTM_GET, RTM_VERSION,
};
use crate::core::link::Link;
use crate::ioctl::layout::{constants, field, requests, structs};

constants! {
    BPF_ALIGNMENT: u32 = 4,
}

structs! {
    /// A filter.
    BpfProgram = "bpf_program", 8 {
        0 bf_len: u32,
        4 bf_insns: u32,
    }
    /// A message about a route.
    RtMsghdr = "rt_msghdr", 92 {
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
        32 rtm_inits: u32,
        36 rtm_rmx: [u32; 14],
    }
}

requests! { b'B';
    IN 103 BIOCSETF(BpfProgram, program_pointer!()) = 0x8008_4267,
    IN 123 BIOCSETWF(BpfProgram, program_pointer!()) = 0x8008_427b,
}

/// bpf of FreeBSD on armv7 and its like.
pub static ABI: abi::Abi = bpf! {
    address_alignment: 4,
    devices: Devices::Cloning("/dev/bpf"),
    set_write_filter: Some(BIOCSETWF),
    set_direction: BIOCSDIRECTION,
    incoming: BPF_D_IN,
    both: BPF_D_INOUT,
    loopback_goes_out: false,
    lock: Some(BIOCLOCK),
};
