//! What differs between the bpf of one system and another, as one value.
#![forbid(unsafe_code)]

use crate::core::link::Link;
use crate::ioctl::layout::{Field, Request};

/// bpf on one system and word size.
#[derive(Debug)]
pub struct Abi {
    /// Where descriptors come from.
    pub devices: Devices,
    /// What stands before each packet in a read buffer.
    pub record: Record,
    /// Link types by their number in this system (`DLT_*`).
    pub links: &'static [(u32, Link)],
    /// Asks for a buffer length, and returns the one given.
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
    /// Sets the filter for packets to be sent, where there is one.
    pub set_write_filter: Option<Request>,
    /// Sets which way packets must have gone.
    pub set_direction: Request,
    /// Its argument for those that came in.
    pub incoming: u32,
    /// Its argument for all.
    pub both: u32,
    /// Whether packets on loopback are seen only on their way out.
    pub loopback_goes_out: bool,
    /// Has reads return as soon as a packet is there.
    pub immediate: Request,
    /// Forbids further changes, where that can be forbidden.
    pub lock: Option<Request>,
    /// Returns what was received and dropped.
    pub statistics: Request,
    /// Packets dropped for want of room.
    pub dropped: Field,
    /// Messages about routes.
    pub route: Route,
    /// Addresses behind such a message start at multiples of it.
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
    /// The kind of message, and that of a question for a route.
    pub get: (Field, u32),
    /// Which addresses follow: destination and netmask in a question.
    pub addresses: (Field, u32),
    /// The route's flags, and those of a route that leads nowhere.
    pub flags: (Field, u32),
    /// The interface's index.
    pub interface: Field,
    /// Who asks.
    pub process: Field,
    /// A number for the answer to be known by.
    pub sequence: Field,
    /// Why there is no route.
    pub error: Field,
    /// The address families IPv4 and IPv6.
    pub families: [u32; 2],
}

/// Where descriptors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// Every opening of this one gives a new descriptor.
    Cloning(&'static str),
    /// This path and a number below 256, for one opener each.
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

/// The [`Abi`] of the structures and requests in scope; what differs beyond
/// them comes as arguments.
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
