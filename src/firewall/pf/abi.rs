//! The differences between the pf of one system and another, as one value.
//!
//! The offsets come from the structures in the files named after the systems.
#![forbid(unsafe_code)]

use crate::ioctl::layout::{Field, Request, constants};

/// pf's ioctl interface on one system and word size.
#[derive(Debug)]
pub struct Abi {
    /// The system's name in messages.
    pub system: &'static str,
    /// What to do when /dev/pf is not there.
    pub load: &'static str,
    /// What to do when pf is disabled.
    pub enable: &'static str,
    /// What to do about EPERM when no table is const.
    pub privilege: &'static str,
    /// What to do about a table with more entries than the kernel lists.
    pub crowded: &'static str,
    /// `AF_INET6`. `AF_INET` is 2 everywhere.
    pub inet6: u32,
    /// Table requests.
    pub tables: Tables,
    /// The request that kills states, where it takes a structure.
    pub kill: Option<Kill>,
    /// The request for whether pf is enabled, where it takes a structure.
    pub status: Option<Status>,
    /// The limit on entries, where a request that reaches it sleeps for ever
    /// instead of failing.
    pub limit: Option<Limit>,
    /// The list of interfaces, where its layout is known.
    pub interfaces: Option<Interfaces>,
    /// Requests that carry name-value lists, where there are any.
    pub nv: Option<Nv>,
    /// Enabling by reference, where the system has it.
    pub reference: Option<Reference>,
}

/// Requests that take a `struct pfioc_table`, and what they point to.
#[derive(Debug)]
pub struct Tables {
    /// Size of the argument.
    pub size: usize,
    /// The anchor's path.
    pub anchor: Field,
    /// The table's name.
    pub name: Field,
    /// Size of an element.
    pub element: Field,
    /// Number of elements, in and out.
    pub count: Field,
    /// How many were added, out.
    pub added: Field,
    /// How many were deleted, out.
    pub deleted: Field,
    /// `PFR_FLAG_*`.
    pub flags: Field,
    /// `struct pfr_addr`, an entry.
    pub entry: Entry,
    /// `struct pfr_table`, a table.
    pub table: Table,
    /// Creates tables.
    pub create: Request,
    /// Lists tables.
    pub list_tables: Request,
    /// Adds entries.
    pub add: Request,
    /// Deletes entries.
    pub delete: Request,
    /// Lists entries.
    pub list: Request,
    /// Looks up which entries hosts match.
    pub test: Request,
    /// Lists tables with their counters, where the layout is known.
    pub counters: Option<Counters>,
}

/// The list of tables with their counters, each a `struct pfr_tstats` that begins
/// with the table.
#[derive(Debug)]
pub struct Counters {
    /// The request.
    pub request: Request,
    /// Size of that structure.
    pub size: usize,
    /// A table's number of entries.
    pub entries: Field,
}

/// Layout of `struct pfr_addr`.
#[derive(Debug)]
pub struct Entry {
    /// Its size.
    pub size: usize,
    /// The address, in network order.
    pub address: Field,
    /// Its family.
    pub family: Field,
    /// Prefix length.
    pub prefix: Field,
    /// 1 for an entry that excludes.
    pub negated: Field,
    /// `PFR_FB_*`, out; 0 in.
    pub feedback: Field,
}

/// Layout of `struct pfr_table`.
#[derive(Debug)]
pub struct Table {
    /// Its size.
    pub size: usize,
    /// The anchor's path.
    pub anchor: Field,
    /// The table's name.
    pub name: Field,
    /// `PFR_TFLAG_*`.
    pub flags: Field,
}

/// Layout of `struct pfioc_state_kill`.
#[derive(Debug)]
pub struct Kill {
    /// The request.
    pub request: Request,
    /// Family of the addresses.
    pub family: Field,
    /// Protocol, by its number in IP.
    pub protocol: Field,
    /// The state's initiator.
    pub source: End,
    /// The state's target.
    pub destination: End,
    /// How many states were killed, out.
    pub killed: Field,
    /// The routing domain, where states are killed in one only.
    pub rdomain: Option<Field>,
}

/// One end of a state in `struct pfioc_state_kill`.
#[derive(Debug)]
pub struct End {
    /// The address, in network order.
    pub address: Field,
    /// Which of its bits count.
    pub mask: Field,
    /// Two ports in network order; the second is for ranges.
    pub ports: Field,
    /// `PF_OP_*`.
    pub operator: Field,
}

/// The part of `struct pf_status` that is read.
#[derive(Debug)]
pub struct Status {
    /// The request.
    pub request: Request,
    /// Not 0 when pf filters.
    pub running: Field,
}

/// Layout of `struct pfioc_limit`.
#[derive(Debug)]
pub struct Limit {
    /// The request.
    pub request: Request,
    /// Which limit.
    pub index: Field,
    /// `PF_LIMIT_TABLE_ENTRIES`.
    pub table_entries: u32,
    /// Its value, out.
    pub limit: Field,
}

/// Layout of `struct pfioc_iface` and of its elements.
#[derive(Debug)]
pub struct Interfaces {
    /// The request.
    pub request: Request,
    /// Size of an element.
    pub element: Field,
    /// Number of elements, in and out.
    pub count: Field,
    /// Size of an interface's record.
    pub size: usize,
    /// The interface's name.
    pub name: Field,
    /// `PFI_IFLAG_*`.
    pub flags: Field,
}

/// Layout of `struct pfioc_nv`.
#[derive(Debug)]
pub struct Nv {
    /// Bytes used, in and out.
    pub used: Field,
    /// The most bytes of the answer.
    pub room: Field,
    /// Returns whether pf is enabled.
    pub status: Request,
    /// Kills states.
    pub kill: Request,
}

/// Enabling by reference.
#[derive(Debug)]
pub struct Reference {
    /// Takes a reference; the first enables pf.
    pub start: Request,
    /// The reference, out.
    pub token: Field,
    /// Releases a reference; the last disables pf.
    pub stop: Request,
    /// The reference, in.
    pub released: Field,
}

// The same on every system. A table exists without rules that refer to it
// (PERSIST), is defined and not only referred to (ACTIVE), has a rule that refers
// to it (REFERENCED), or one in an anchor by a table of the same name
// (REFDANCHOR).
constants! {
    AF_INET: u32 = 2,
    PFR_TFLAG_PERSIST: u32 = 0x01,
    PFR_TFLAG_ACTIVE: u32 = 0x04,
    PFR_TFLAG_REFERENCED: u32 = 0x10,
    PFR_TFLAG_REFDANCHOR: u32 = 0x20,
    PFR_FLAG_FEEDBACK: u32 = 0x04,
    PFR_FLAG_REPLACE: u32 = 0x20,
    PFR_FLAG_ALLRSETS: u32 = 0x40,
    PFR_FB_MATCH: u32 = 1,
    PFR_FB_DELETED: u32 = 3,
    PFR_FB_CONFLICT: u32 = 8,
    PF_OP_EQ: u32 = 2,
    PFI_IFLAG_SKIP: u32 = 0x0100,
}

/// The [`Tables`] of the structures and requests in scope; their members have
/// the same names on every system.
macro_rules! tables {
    ($counters:expr) => {
        $crate::firewall::pf::abi::Tables {
            size: size_of::<PfiocTable>(),
            anchor: field!(PfiocTable, pfrio_table.pfrt_anchor),
            name: field!(PfiocTable, pfrio_table.pfrt_name),
            element: field!(PfiocTable, pfrio_esize),
            count: field!(PfiocTable, pfrio_size),
            added: field!(PfiocTable, pfrio_nadd),
            deleted: field!(PfiocTable, pfrio_ndel),
            flags: field!(PfiocTable, pfrio_flags),
            entry: $crate::firewall::pf::abi::Entry {
                size: size_of::<PfrAddr>(),
                address: field!(PfrAddr, pfra_u),
                family: field!(PfrAddr, pfra_af),
                prefix: field!(PfrAddr, pfra_net),
                negated: field!(PfrAddr, pfra_not),
                feedback: field!(PfrAddr, pfra_fback),
            },
            table: $crate::firewall::pf::abi::Table {
                size: size_of::<PfrTable>(),
                anchor: field!(PfrTable, pfrt_anchor),
                name: field!(PfrTable, pfrt_name),
                flags: field!(PfrTable, pfrt_flags),
            },
            create: DIOCRADDTABLES,
            list_tables: DIOCRGETTABLES,
            add: DIOCRADDADDRS,
            delete: DIOCRDELADDRS,
            list: DIOCRGETADDRS,
            test: DIOCRTSTADDRS,
            counters: $counters,
        }
    };
}

/// The [`Counters`] of the structures and requests in scope.
macro_rules! counters {
    () => {
        $crate::firewall::pf::abi::Counters {
            request: DIOCRGETTSTATS,
            size: size_of::<PfrTstats>(),
            entries: field!(PfrTstats, pfrts_cnt),
        }
    };
}

/// The [`Interfaces`] of the structures and requests in scope.
macro_rules! interfaces {
    () => {
        $crate::firewall::pf::abi::Interfaces {
            request: DIOCIGETIFACES,
            element: field!(PfiocIface, pfiio_esize),
            count: field!(PfiocIface, pfiio_size),
            size: size_of::<PfiKif>(),
            name: field!(PfiKif, pfik_name),
            flags: field!(PfiKif, pfik_flags),
        }
    };
}

/// An [`End`] of a `PfiocStateKill` whose ports and operator are members of
/// the structure itself.
macro_rules! end {
    ($end:ident) => {
        $crate::firewall::pf::abi::End {
            address: field!(PfiocStateKill, $end.addr.address),
            mask: field!(PfiocStateKill, $end.addr.mask),
            ports: field!(PfiocStateKill, $end.port),
            operator: field!(PfiocStateKill, $end.port_op),
        }
    };
}

/// The [`Pointer`](crate::ioctl::layout::Pointer) of a `PfiocTable`.
macro_rules! table_pointer {
    () => {
        $crate::ioctl::layout::Pointer::Elements {
            at: field!(PfiocTable, pfrio_buffer),
            each: field!(PfiocTable, pfrio_esize),
            count: field!(PfiocTable, pfrio_size),
        }
    };
}

/// The [`Pointer`](crate::ioctl::layout::Pointer) of a `PfiocIface`.
macro_rules! interface_pointer {
    () => {
        $crate::ioctl::layout::Pointer::Elements {
            at: field!(PfiocIface, pfiio_buffer),
            each: field!(PfiocIface, pfiio_esize),
            count: field!(PfiocIface, pfiio_size),
        }
    };
}

pub(crate) use {counters, end, interface_pointer, interfaces, table_pointer, tables};
