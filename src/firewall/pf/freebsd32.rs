//! pf of FreeBSD on 32-bit machines (i386, armv7). Their pointers are narrower,
//! so structures and request numbers differ.
//!
//! Only a 32-bit kernel knows these requests; a 64-bit one fails with ENODEV.
//! Requests that differ between i386 and armv7, because they align 64-bit
//! integers differently, are not needed: name-value lists replace them.
#![forbid(unsafe_code)]

use super::abi::{self, table_pointer, tables};
use super::freebsd::{self, PfrAddr, PfrTable};
use crate::ioctl::layout::{Pointer, field, requests, structs};

structs! {
    /// The argument of every table request.
    PfiocTable = "pfioc_table", 1100 {
        0 pfrio_table: PfrTable,
        1064 pfrio_buffer: u32,
        1068 pfrio_esize: i32,
        1072 pfrio_size: i32,
        1076 pfrio_size2: i32,
        1080 pfrio_nadd: i32,
        1084 pfrio_ndel: i32,
        1088 pfrio_nchange: i32,
        1092 pfrio_flags: i32,
        1096 pfrio_ticket: u32,
    }
    /// A name-value list, packed.
    PfiocNv = "pfioc_nv", 12 {
        0 data: u32,
        4 len: u32,
        8 size: u32,
    }
}

const NV: Pointer = Pointer::Bytes {
    at: field!(PfiocNv, data),
    used: field!(PfiocNv, len),
    room: field!(PfiocNv, size),
};

requests! { b'D';
    IN_OUT 21 DIOCGETSTATUSNV(PfiocNv, NV) = 0xc00c_4415,
    IN_OUT 41 DIOCKILLSTATESNV(PfiocNv, NV) = 0xc00c_4429,
    IN_OUT 61 DIOCRADDTABLES(PfiocTable, table_pointer!()) = 0xc44c_443d,
    IN_OUT 63 DIOCRGETTABLES(PfiocTable, table_pointer!()) = 0xc44c_443f,
    IN_OUT 67 DIOCRADDADDRS(PfiocTable, table_pointer!()) = 0xc44c_4443,
    IN_OUT 68 DIOCRDELADDRS(PfiocTable, table_pointer!()) = 0xc44c_4444,
    IN_OUT 70 DIOCRGETADDRS(PfiocTable, table_pointer!()) = 0xc44c_4446,
    IN_OUT 73 DIOCRTSTADDRS(PfiocTable, table_pointer!()) = 0xc44c_4449,
}

/// pf of FreeBSD on a 32-bit machine.
pub static ABI: abi::Abi = abi::Abi {
    system: freebsd::ABI.system,
    load: freebsd::ABI.load,
    enable: freebsd::ABI.enable,
    privilege: freebsd::ABI.privilege,
    crowded: freebsd::ABI.crowded,
    inet6: freebsd::AF_INET6,
    tables: tables!(None),
    kill: None,
    status: None,
    limit: None,
    interfaces: None,
    nv: Some(abi::Nv {
        used: field!(PfiocNv, len),
        room: field!(PfiocNv, size),
        status: DIOCGETSTATUSNV,
        kill: DIOCKILLSTATESNV,
    }),
    reference: None,
};
