//! What differs between systems in bpf, as one value.
#![forbid(unsafe_code)]

use crate::core::link::Link;
use crate::ioctl::layout::{Field, Request};

/// bpf on one system and word size.
#[derive(Debug)]
pub struct Abi {
    /// Where descriptors come from.
    pub devices: Devices,
    /// The header of each packet in a read buffer.
    pub record: Record,
    /// Link types by their number in this system (`DLT_*`).
    pub links: &'static [(u32, Link)],
    /// Sets the buffer length, and returns the one that the kernel chose.
    pub set_buffer: Request,
    /// Returns the buffer's length.
    pub buffer: Request,
    /// Attaches to an interface.
    pub set_interface: Request,
    /// The interface's name in the argument.
    pub interface: Field,
    /// Returns the link type.
    pub link: Request,
    /// Sets the filter, and empties the buffer.
    pub set_filter: Request,
    /// Number of instructions in the argument.
    pub filter_length: Field,
    /// Sets the filter for packets that are sent, where there is one.
    pub set_write_filter: Option<Request>,
    /// Sets the direction of packets that are seen.
    pub set_direction: Request,
    /// Its argument for incoming packets.
    pub incoming: u32,
    /// Its argument for both directions.
    pub both: u32,
    /// Whether packets on loopback count as outgoing only.
    pub loopback_goes_out: bool,
    /// Makes reads return as soon as a packet arrives.
    pub immediate: Request,
    /// Forbids further changes, where the system can do that.
    pub lock: Option<Request>,
    /// Returns what was received and dropped.
    pub statistics: Request,
    /// Packets dropped because the buffer was full.
    pub dropped: Field,
    /// Messages about routes.
    pub route: Route,
    /// Addresses after such a message start at multiples of it.
    pub address_alignment: usize,
}

/// Layout of `struct rt_msghdr` (`<net/route.h>`), and its numbers.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Its size.
    pub size: usize,
    /// Size of the message.
    pub length: Field,
    /// `RTM_VERSION`.
    pub version: (Field, u32),
    /// The type of the message, and `RTM_GET`.
    pub get: (Field, u32),
    /// Which addresses follow: destination and netmask in a question.
    pub addresses: (Field, u32),
    /// The route's flags, and those of a route that leads nowhere.
    pub flags: (Field, u32),
    /// The interface's index.
    pub interface: Field,
    /// The process that asks.
    pub process: Field,
    /// The number of the question, which the answer repeats.
    pub sequence: Field,
    /// The error, such as that there is no route.
    pub error: Field,
    /// The address families IPv4 and IPv6.
    pub families: [u32; 2],
}

/// Where descriptors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// Each open of this path returns a new descriptor.
    Cloning(&'static str),
    /// This path and a number below 256, each for one descriptor at a time.
    Numbered(&'static str),
}

/// Layout of `struct bpf_hdr`.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Bytes of the packet in the buffer (`bh_caplen`).
    pub captured: Field,
    /// Bytes of the packet (`bh_datalen`).
    pub length: Field,
    /// Bytes from the record's start to the packet (`bh_hdrlen`).
    pub header: Field,
    /// Records start at multiples of it (`BPF_ALIGNMENT`).
    pub alignment: usize,
}

impl Record {
    /// Bytes from the record's start to the end of the last member we read.
    #[must_use]
    pub const fn least(&self) -> usize {
        self.header.offset + self.header.size
    }
}

/// The [`Abi`] of the structures and requests in scope. Arguments are what else
/// differs.
macro_rules! bpf {
    ($($name:ident: $value:expr,)+) => {
        $crate::capture::bpf::abi::Abi {
            record: $crate::capture::bpf::abi::Record {
                captured: field!(BpfHdr, bh_caplen),
                length: field!(BpfHdr, bh_datalen),
                header: field!(BpfHdr, bh_hdrlen),
                alignment: BPF_ALIGNMENT as usize,
            },
            links: &[
                (DLT_EN10MB, Link::Ethernet),
                (DLT_NULL, Link::Null),
                (DLT_LOOP, Link::Loop),
                (DLT_RAW, Link::Raw),
                (DLT_PPP, Link::Ppp),
                (DLT_PFLOG, Link::Pflog),
            ],
            set_buffer: BIOCSBLEN,
            buffer: BIOCGBLEN,
            set_interface: BIOCSETIF,
            interface: field!(Ifreq, ifr_name),
            link: BIOCGDLT,
            set_filter: BIOCSETF,
            filter_length: field!(BpfProgram, bf_len),
            immediate: BIOCIMMEDIATE,
            statistics: BIOCGSTATS,
            dropped: field!(BpfStat, bs_drop),
            route: $crate::capture::bpf::abi::Route {
                size: size_of::<RtMsghdr>(),
                length: field!(RtMsghdr, rtm_msglen),
                version: (field!(RtMsghdr, rtm_version), RTM_VERSION),
                get: (field!(RtMsghdr, rtm_type), RTM_GET),
                addresses: (field!(RtMsghdr, rtm_addrs), RTA_DST | RTA_NETMASK),
                flags: (field!(RtMsghdr, rtm_flags), RTF_REJECT | RTF_BLACKHOLE),
                interface: field!(RtMsghdr, rtm_index),
                process: field!(RtMsghdr, rtm_pid),
                sequence: field!(RtMsghdr, rtm_seq),
                error: field!(RtMsghdr, rtm_errno),
                families: [AF_INET, AF_INET6],
            },
            $($name: $value,)+
        }
    };
}

/// The pointer of a `BpfProgram`; an instruction is eight bytes long.
macro_rules! program_pointer {
    () => {
        $crate::ioctl::layout::Pointer::Items {
            at: field!(BpfProgram, bf_insns),
            count: field!(BpfProgram, bf_len),
            size: 8,
        }
    };
}

pub(crate) use {bpf, program_pointer};
