//! pf of macOS: `bsd/net/pfvar.h` of xnu, which no SDK contains.
//!
//! Integers as wide as the kernel's words have 64 bits for every process.
//! Killing states takes `struct pfioc_state_addr_kill`, whose ports are at
//! another offset than those of `struct pf_rule_addr`.
#![forbid(unsafe_code)]

use super::abi::{self, counters, interface_pointer, interfaces, table_pointer, tables};
use crate::ioctl::layout::{Field, Pointer, constants, field, requests, structs};

constants! {
    AF_INET6: u32 = 30,
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
    /// Two ports and how to compare with them. In C it shares its place with
    /// a 32-bit number, hence the padding.
    PfRuleXport = "pf_rule_xport", 8 {
        0 port = "range.port": [u16; 2],
        4 op = "range.op": u8,
        5 _rest: [u8; 3],
    }
    /// One end of a state.
    PfiocStateAddrKill = "pfioc_state_addr_kill", 64 {
        0 addr: PfAddrWrap,
        48 reserved_: [u8; 3],
        51 neg: u8,
        52 xport: PfRuleXport,
    }
    /// Which states to kill. The kernel counts them in `psk_af`, in 8 bits.
    PfiocStateKill = "pfioc_state_kill", 216 {
        0 psk_af: u8,
        1 psk_proto: u8,
        2 psk_proto_variant: u8,
        8 psk_src: PfiocStateAddrKill,
        72 psk_dst: PfiocStateAddrKill,
        136 psk_ifname: [u8; 16],
        152 psk_ownername: [u8; 64],
    }
    /// Whether pf runs, between its counters and its settings.
    PfStatus = "pf_status", 440 {
        0 _counters: [u64; 47],
        376 running: u32,
        380 _rest: [u8; 60],
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
    /// An interface, as programs see it (`struct pfi_uif` in the kernel).
    PfiKif = "pfi_kif", 168 {
        0 pfik_name: [u8; 16],
        16 pfik_packets: [u64; 8],
        80 pfik_bytes: [u64; 8],
        144 pfik_tzero: u64,
        152 pfik_flags: u32,
        156 pfik_states: i32,
        160 pfik_rules: i32,
    }
    /// A reference to an enabled pf, to release it.
    PfiocRemoveToken = "pfioc_remove_token", 16 {
        0 token_value: u64,
        8 refcount: u64,
    }
}

requests! { b'D';
    OUT 8 DIOCSTARTREF(u64, Pointer::Nowhere) = 0x4008_4408,
    IN_OUT 9 DIOCSTOPREF(PfiocRemoveToken, Pointer::Nowhere) = 0xc010_4409,
    IN_OUT 21 DIOCGETSTATUS(PfStatus, Pointer::Nowhere) = 0xc1b8_4415,
    IN_OUT 41 DIOCKILLSTATES(PfiocStateKill, Pointer::Nowhere) = 0xc0d8_4429,
    IN_OUT 61 DIOCRADDTABLES(PfiocTable, table_pointer!()) = 0xc450_443d,
    IN_OUT 63 DIOCRGETTABLES(PfiocTable, table_pointer!()) = 0xc450_443f,
    IN_OUT 64 DIOCRGETTSTATS(PfiocTable, table_pointer!()) = 0xc450_4440,
    IN_OUT 67 DIOCRADDADDRS(PfiocTable, table_pointer!()) = 0xc450_4443,
    IN_OUT 68 DIOCRDELADDRS(PfiocTable, table_pointer!()) = 0xc450_4444,
    IN_OUT 70 DIOCRGETADDRS(PfiocTable, table_pointer!()) = 0xc450_4446,
    IN_OUT 73 DIOCRTSTADDRS(PfiocTable, table_pointer!()) = 0xc450_4449,
    IN_OUT 87 DIOCIGETIFACES(PfiocIface, interface_pointer!()) = 0xc028_4457,
}

/// An [`abi::End`] of the structure above.
macro_rules! end {
    ($end:ident) => {
        abi::End {
            address: field!(PfiocStateKill, $end.addr.address),
            mask: field!(PfiocStateKill, $end.addr.mask),
            ports: field!(PfiocStateKill, $end.xport.port),
            operator: field!(PfiocStateKill, $end.xport.op),
        }
    };
}

/// pf of macOS.
pub static ABI: abi::Abi = abi::Abi {
    system: "macOS",
    load: "this kernel was built without pf",
    enable: "set `enable_pf: true`, or run `pfctl -E`",
    privilege: "run knockd as root, at a kern.securelevel of at most 1",
    crowded: "",
    inet6: AF_INET6,
    tables: tables!(Some(counters!())),
    kill: Some(abi::Kill {
        request: DIOCKILLSTATES,
        family: field!(PfiocStateKill, psk_af),
        protocol: field!(PfiocStateKill, psk_proto),
        source: end!(psk_src),
        destination: end!(psk_dst),
        killed: field!(PfiocStateKill, psk_af),
        rdomain: None,
    }),
    status: Some(abi::Status { request: DIOCGETSTATUS, running: field!(PfStatus, running) }),
    limit: None,
    interfaces: Some(interfaces!()),
    nv: None,
    reference: Some(abi::Reference {
        start: DIOCSTARTREF,
        token: Field { offset: 0, size: size_of::<u64>() },
        stop: DIOCSTOPREF,
        released: field!(PfiocRemoveToken, token_value),
    }),
};
