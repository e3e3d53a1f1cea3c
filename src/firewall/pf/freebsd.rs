//! pf of FreeBSD 13 to 15 on 64-bit machines: `<net/pfvar.h>` and
//! `<netpfil/pf/pf.h>`.
//!
//! FreeBSD 15 does not have `DIOCGETSTATUS` and `DIOCKILLSTATES` any more, and
//! its `struct pf_status` is larger. FreeBSD 12 does not have the requests with
//! name-value lists that replace them.
#![forbid(unsafe_code)]

use super::abi::{self, counters, end, interface_pointer, interfaces, table_pointer, tables};
use crate::ioctl::layout::{Pointer, constants, field, requests, structs};

constants! {
    AF_INET6: u32 = 28,
}

structs! {
    /// A table's name, the anchor it is in, and its flags.
    PfrTable = "pfr_table", 1064 {
        0 pfrt_anchor: [u8; 1024],
        1024 pfrt_name: [u8; 32],
        1056 pfrt_flags: u32,
        1060 pfrt_fback: u8,
    }
    /// An entry of a table.
    PfrAddr = "pfr_addr", 20 {
        0 pfra_u: [u32; 4],
        16 pfra_af: u8,
        17 pfra_net: u8,
        18 pfra_not: u8,
        19 pfra_fback: u8,
    }
    /// A table and its counters.
    PfrTstats = "pfr_tstats", 1200 {
        0 pfrts_t: PfrTable,
        1064 pfrts_packets: [u64; 6],
        1112 pfrts_bytes: [u64; 6],
        1160 pfrts_match: u64,
        1168 pfrts_nomatch: u64,
        1176 pfrts_tzero: i64,
        1184 pfrts_cnt: i32,
        1188 pfrts_refcnt: [i32; 2],
    }
    /// The argument of every table request.
    PfiocTable = "pfioc_table", 1104 {
        0 pfrio_table: PfrTable,
        1064 pfrio_buffer: u64,
        1072 pfrio_esize: i32,
        1076 pfrio_size: i32,
        1080 pfrio_size2: i32,
        1084 pfrio_nadd: i32,
        1088 pfrio_ndel: i32,
        1092 pfrio_nchange: i32,
        1096 pfrio_flags: i32,
        1100 pfrio_ticket: u32,
    }
    /// An address and its mask, or a substitute for one.
    PfAddrWrap = "pf_addr_wrap", 48 {
        0 address = "v.a.addr": [u32; 4],
        16 mask = "v.a.mask": [u32; 4],
        32 p: u64,
        40 type_ = "type": u8,
        41 iflags: u8,
    }
    /// One end of a state.
    PfRuleAddr = "pf_rule_addr", 56 {
        0 addr: PfAddrWrap,
        48 port: [u16; 2],
        52 neg: u8,
        53 port_op: u8,
    }
    /// Which state, by its number.
    PfStateCmp = "pf_state_cmp", 16 {
        0 id: u64,
        8 creatorid: u32,
        12 direction: u8,
    }
    /// Which states to kill.
    PfiocStateKill = "pfioc_state_kill", 224 {
        0 psk_pfcmp: PfStateCmp,
        16 psk_af: u8,
        20 psk_proto: i32,
        24 psk_src: PfRuleAddr,
        80 psk_dst: PfRuleAddr,
        136 psk_ifname: [u8; 16],
        152 psk_label: [u8; 64],
        216 psk_killed: u32,
    }
    /// Whether pf runs, between its counters and its settings.
    PfStatus = "pf_status", 416 {
        0 _counters: [u64; 45],
        360 running: u32,
        364 _rest: [u8; 52],
    }
    /// The list of interfaces.
    PfiocIface = "pfioc_iface", 40 {
        0 pfiio_name: [u8; 16],
        16 pfiio_buffer: u64,
        24 pfiio_esize: i32,
        28 pfiio_size: i32,
        32 pfiio_nzero: i32,
        36 pfiio_flags: i32,
    }
    /// An interface.
    PfiKif = "pfi_kif", 216 {
        0 pfik_name: [u8; 16],
        16 pfik_tree: [u64; 3],
        40 pfik_packets: [u64; 8],
        104 pfik_bytes: [u64; 8],
        168 pfik_tzero: u32,
        172 pfik_flags: u32,
        176 pfik_ifp: u64,
        184 pfik_group: u64,
        192 pfik_rulerefs: u32,
        200 pfik_dynaddrs: [u64; 2],
    }
    /// A name-value list, packed.
    PfiocNv = "pfioc_nv", 24 {
        0 data: u64,
        8 len: u64,
        16 size: u64,
    }
}

const NV: Pointer = Pointer::Bytes {
    at: field!(PfiocNv, data),
    used: field!(PfiocNv, len),
    room: field!(PfiocNv, size),
};

requests! { b'D';
    IN_OUT 21 DIOCGETSTATUS(PfStatus, Pointer::Nowhere) = 0xc1a0_4415,
    IN_OUT 21 DIOCGETSTATUSNV(PfiocNv, NV) = 0xc018_4415,
    IN_OUT 41 DIOCKILLSTATES(PfiocStateKill, Pointer::Nowhere) = 0xc0e0_4429,
    IN_OUT 41 DIOCKILLSTATESNV(PfiocNv, NV) = 0xc018_4429,
    IN_OUT 61 DIOCRADDTABLES(PfiocTable, table_pointer!()) = 0xc450_443d,
    IN_OUT 63 DIOCRGETTABLES(PfiocTable, table_pointer!()) = 0xc450_443f,
    IN_OUT 64 DIOCRGETTSTATS(PfiocTable, table_pointer!()) = 0xc450_4440,
    IN_OUT 67 DIOCRADDADDRS(PfiocTable, table_pointer!()) = 0xc450_4443,
    IN_OUT 68 DIOCRDELADDRS(PfiocTable, table_pointer!()) = 0xc450_4444,
    IN_OUT 70 DIOCRGETADDRS(PfiocTable, table_pointer!()) = 0xc450_4446,
    IN_OUT 73 DIOCRTSTADDRS(PfiocTable, table_pointer!()) = 0xc450_4449,
    IN_OUT 87 DIOCIGETIFACES(PfiocIface, interface_pointer!()) = 0xc028_4457,
}

/// pf of FreeBSD.
pub static ABI: abi::Abi = abi::Abi {
    system: "FreeBSD",
    load: "run `kldload pf`, and `sysrc pf_enable=YES` for the next boot",
    enable: "run `service pf enable` and `service pf start`",
    privilege: "lower kern.securelevel to 2 or less at the next boot",
    crowded: "raise net.pf.request_maxcount above its number of entries",
    inet6: AF_INET6,
    tables: tables!(Some(counters!())),
    kill: Some(abi::Kill {
        request: DIOCKILLSTATES,
        family: field!(PfiocStateKill, psk_af),
        protocol: field!(PfiocStateKill, psk_proto),
        source: end!(psk_src),
        destination: end!(psk_dst),
        killed: field!(PfiocStateKill, psk_killed),
        rdomain: None,
    }),
    status: Some(abi::Status { request: DIOCGETSTATUS, running: field!(PfStatus, running) }),
    limit: None,
    interfaces: Some(interfaces!()),
    nv: Some(abi::Nv {
        used: field!(PfiocNv, len),
        room: field!(PfiocNv, size),
        status: DIOCGETSTATUSNV,
        kill: DIOCKILLSTATESNV,
    }),
    reference: None,
};
