//! bpf of FreeBSD on i386: the time in a packet's header is narrower too.
#![forbid(unsafe_code)]

use super::abi::{self, Devices, bpf};
use super::freebsd32::{
    AF_INET, AF_INET6, BIOCGBLEN, BIOCGDLT, BIOCGSTATS, BIOCIMMEDIATE, BIOCLOCK, BIOCSBLEN,
    BIOCSDIRECTION, BIOCSETF, BIOCSETIF, BIOCSETWF, BPF_ALIGNMENT, BPF_D_IN, BPF_D_INOUT,
    BpfProgram, BpfStat, DLT_EN10MB, DLT_LOOP, DLT_NULL, DLT_PFLOG, DLT_PPP, DLT_RAW, Ifreq,
    RTA_DST, RTA_NETMASK, RTF_BLACKHOLE, RTF_REJECT, RTM_GET, RTM_VERSION, RtMsghdr,
};
use crate::core::link::Link;
use crate::ioctl::layout::{field, structs};

structs! {
    /// The header of a packet.
    BpfHdr = "bpf_hdr", 20 {
        0 bh_tstamp: [u32; 2],
        8 bh_caplen: u32,
        12 bh_datalen: u32,
        16 bh_hdrlen: u16,
    }
}

/// bpf of FreeBSD on i386.
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
