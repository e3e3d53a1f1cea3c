//! pf of OpenBSD 7 on 64-bit machines: `<net/pfvar.h>`.
#![forbid(unsafe_code)]

use super::abi::{self, counters, end, interface_pointer, interfaces, table_pointer, tables};
use crate::ioctl::layout::{Pointer, constants, field, requests, structs};

constants! {
    AF_INET6: u32 = 24,
    PF_LIMIT_TABLE_ENTRIES: u32 = 4,
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
    PfrAddr = "pfr_addr", 52 {
        0 pfra_u: [u32; 4],
        16 pfra_ifname: [u8; 16],
        32 pfra_states: u32,
        36 pfra_weight: u16,
        38 pfra_af: u8,
        39 pfra_net: u8,
        40 pfra_not: u8,
        41 pfra_fback: u8,
        42 pfra_type: u8,
        43 pad: [u8; 7],
    }
    /// A table and its counters.
    PfrTstats = "pfr_tstats", 1232 {
        0 pfrts_t: PfrTable,
        1064 pfrts_packets: [u64; 8],
        1128 pfrts_bytes: [u64; 8],
        1192 pfrts_match: u64,
        1200 pfrts_nomatch: u64,
        1208 pfrts_tzero: i64,
        1216 pfrts_cnt: i32,
        1220 pfrts_refcnt: [i32; 2],
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
        54 weight: u16,
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
        220 psk_rdomain: u16,
    }
    /// Whether pf runs, between its counters and its settings.
    PfStatus = "pf_status", 520 {
        0 _counters: [u64; 56],
        448 running: u32,
        452 _rest: [u8; 68],
    }
    /// A limit on what pf holds.
    PfiocLimit = "pfioc_limit", 8 {
        0 index: u32,
        4 limit: u32,
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
    PfiKif = "pfi_kif", 256 {
        0 pfik_name: [u8; 16],
        16 pfik_tree: [u64; 4],
        48 pfik_packets: [u64; 8],
        112 pfik_bytes: [u64; 8],
        176 pfik_tzero: i64,
        184 pfik_flags: u32,
        188 pfik_flags_new: u32,
        192 pfik_ah_cookie: u64,
        200 pfik_ifp: u64,
        208 pfik_group: u64,
        216 pfik_states: i32,
        220 pfik_rules: i32,
        224 pfik_routes: i32,
        228 pfik_srcnodes: i32,
        232 pfik_flagrefs: i32,
        240 pfik_dynaddrs: [u64; 2],
    }
}

requests! { b'D';
    IN_OUT 21 DIOCGETSTATUS(PfStatus, Pointer::Nowhere) = 0xc208_4415,
    IN_OUT 39 DIOCGETLIMIT(PfiocLimit, Pointer::Nowhere) = 0xc008_4427,
    IN_OUT 41 DIOCKILLSTATES(PfiocStateKill, Pointer::Nowhere) = 0xc0e0_4429,
    IN_OUT 61 DIOCRADDTABLES(PfiocTable, table_pointer!()) = 0xc450_443d,
    IN_OUT 63 DIOCRGETTABLES(PfiocTable, table_pointer!()) = 0xc450_443f,
    IN_OUT 64 DIOCRGETTSTATS(PfiocTable, table_pointer!()) = 0xc450_4440,
    IN_OUT 67 DIOCRADDADDRS(PfiocTable, table_pointer!()) = 0xc450_4443,
    IN_OUT 68 DIOCRDELADDRS(PfiocTable, table_pointer!()) = 0xc450_4444,
    IN_OUT 70 DIOCRGETADDRS(PfiocTable, table_pointer!()) = 0xc450_4446,
    IN_OUT 73 DIOCRTSTADDRS(PfiocTable, table_pointer!()) = 0xc450_4449,
    IN_OUT 87 DIOCIGETIFACES(PfiocIface, interface_pointer!()) = 0xc028_4457,
}

/// pf of OpenBSD.
pub static ABI: abi::Abi = abi::Abi {
    system: "OpenBSD",
    load: "this kernel was built without pf",
    enable: "run `pfctl -e`, and `rcctl enable pf` for the next boot",
    privilege: "lower kern.securelevel to 1 at the next boot",
    crowded: "",
    inet6: AF_INET6,
    tables: tables!(Some(counters!())),
    kill: Some(abi::Kill {
        request: DIOCKILLSTATES,
        family: field!(PfiocStateKill, psk_af),
        protocol: field!(PfiocStateKill, psk_proto),
        source: end!(psk_src),
        destination: end!(psk_dst),
        killed: field!(PfiocStateKill, psk_killed),
        rdomain: Some(field!(PfiocStateKill, psk_rdomain)),
    }),
    status: Some(abi::Status { request: DIOCGETSTATUS, running: field!(PfStatus, running) }),
    limit: Some(abi::Limit {
        request: DIOCGETLIMIT,
        index: field!(PfiocLimit, index),
        table_entries: PF_LIMIT_TABLE_ENTRIES,
        limit: field!(PfiocLimit, limit),
    }),
    interfaces: Some(interfaces!()),
    nv: None,
    reference: None,
};
