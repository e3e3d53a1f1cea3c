//! The first half of a filter: from the link header to the transport header.
#![forbid(unsafe_code)]

use super::program::{Assembler, Label, op};
use super::wire::{
    ETHERNET_HEADER, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EXTENSIONS, FAMILY_IPV4, FAMILY_IPV6,
    IPV6_HEADER, LEAST_HEADER, MAX_EXTENSIONS, MAX_TAGS, PACKET_OUTGOING, PFLOG_DIRECTION,
    PFLOG_FAMILY, PFLOG_HEADER_LEAST, PFLOG_OUT, PPP_ADDRESS_CONTROL, PPP_IPV4, PPP_IPV6, TAG,
    TAG_PROTOCOLS,
};
use crate::core::link::Link;

/// Linux: `SKF_AD_OFF + SKF_AD_PKTTYPE` (linux/filter.h).
const PACKET_TYPE: u32 = 0xffff_f004;
/// IPv4's More Fragments bit and the fragment offset (RFC 791).
const FRAGMENT_BITS: u32 = 0x3fff;

/// Scratch memory: the transport protocol.
pub(super) const PROTOCOL: u32 = 0;
/// Scratch memory: the offset where the IP packet ends.
pub(super) const END: u32 = 1;

/// The places that the steps jump to.
pub(super) struct Labels {
    pub(super) ipv4: Label,
    pub(super) ipv6: Label,
    pub(super) transport: Label,
    pub(super) reject: Label,
}

/// A constant number of bytes as an operand.
pub(super) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Rejects outgoing packets.
pub(super) fn incoming(asm: &mut Assembler, link: Link, labels: &Labels) {
    let outgoing = match link {
        Link::Pflog => {
            asm.emit(op::LD_BYTE, offset(PFLOG_DIRECTION));
            PFLOG_OUT
        }
        Link::Ethernet | Link::Null | Link::Loop | Link::Raw | Link::Ppp => {
            asm.emit(op::LD_WORD, PACKET_TYPE);
            PACKET_OUTGOING
        }
    };
    asm.branch(op::JEQ, outgoing.into(), labels.reject, Label::NEXT);
}

/// Leaves the offset of the IP header in X.
pub(super) fn network(asm: &mut Assembler, link: Link, labels: &Labels) {
    match link {
        Link::Ethernet => ethernet(asm, labels),
        Link::Null => family(asm, u32::from_ne_bytes, labels),
        Link::Loop => family(asm, u32::from_be_bytes, labels),
        Link::Raw => {
            asm.emit(op::LDX, 0);
            asm.emit(op::LD_BYTE, 0);
            asm.emit(op::RSH, 4);
            asm.branch(op::JEQ, 4, labels.ipv4, Label::NEXT);
            asm.branch(op::JEQ, 6, labels.ipv6, labels.reject);
        }
        Link::Ppp => ppp(asm, labels),
        Link::Pflog => {
            asm.emit(op::LD_BYTE, 0);
            asm.emit(op::ADD, 3);
            asm.emit(op::AND, !3);
            asm.branch(op::JGE, offset(PFLOG_HEADER_LEAST), Label::NEXT, labels.reject);
            asm.emit(op::TAX, 0);
            asm.emit(op::LD_BYTE, offset(PFLOG_FAMILY));
            families(asm, u32::from, labels);
        }
    }
}

fn ethernet(asm: &mut Assembler, labels: &Labels) {
    for tags in 0..=MAX_TAGS {
        let header = ETHERNET_HEADER + tags * TAG;
        asm.emit(op::LDX, offset(header));
        asm.emit(op::LD_HALF, offset(header - 2));
        asm.branch(op::JEQ, ETHERTYPE_IPV4.into(), labels.ipv4, Label::NEXT);
        if tags == MAX_TAGS {
            asm.branch(op::JEQ, ETHERTYPE_IPV6.into(), labels.ipv6, labels.reject);
            break;
        }
        asm.branch(op::JEQ, ETHERTYPE_IPV6.into(), labels.ipv6, Label::NEXT);
        let tag = asm.label();
        for number in TAG_PROTOCOLS {
            asm.branch(op::JEQ, number.into(), tag, Label::NEXT);
        }
        asm.jump(labels.reject);
        asm.place(tag);
    }
}

fn ppp(asm: &mut Assembler, labels: &Labels) {
    let compressed = asm.label();
    asm.emit(op::LDX, 2);
    asm.emit(op::LD_HALF, 0);
    asm.branch(op::JEQ, PPP_ADDRESS_CONTROL.into(), Label::NEXT, compressed);
    asm.emit(op::LDX, 4);
    asm.emit(op::LD_HALF, 2);
    asm.place(compressed);
    asm.branch(op::JEQ, PPP_IPV4.into(), labels.ipv4, Label::NEXT);
    asm.branch(op::JEQ, PPP_IPV6.into(), labels.ipv6, labels.reject);
}

/// Four bytes of address family; `decode` is how the link reads them.
fn family(asm: &mut Assembler, decode: fn([u8; 4]) -> u32, labels: &Labels) {
    asm.emit(op::LDX, 4);
    asm.emit(op::LD_WORD, 0);
    // Loads are big-endian. Decoding the loaded number gives the one in the frame,
    // and the other way round.
    families(asm, |number| decode([0, 0, 0, number]), labels);
}

/// Branches by the address family in A. `loaded` returns how a family looks there.
fn families(asm: &mut Assembler, loaded: impl Fn(u8) -> u32, labels: &Labels) {
    asm.branch(op::JEQ, loaded(FAMILY_IPV4), labels.ipv4, Label::NEXT);
    for number in FAMILY_IPV6 {
        asm.branch(op::JEQ, loaded(number), labels.ipv6, Label::NEXT);
    }
    asm.jump(labels.reject);
}

pub(super) fn ipv4(asm: &mut Assembler, labels: &Labels) {
    asm.place(labels.ipv4);
    asm.emit(op::LD_BYTE_AT_X, 0);
    asm.emit(op::RSH, 4);
    asm.branch(op::JEQ, 4, Label::NEXT, labels.reject);
    asm.emit(op::LD_HALF_AT_X, 6);
    asm.branch(op::JSET, FRAGMENT_BITS, labels.reject, Label::NEXT);
    asm.emit(op::LD_BYTE_AT_X, 9);
    asm.emit(op::ST, PROTOCOL);
    asm.emit(op::LD_HALF_AT_X, 2);
    asm.emit(op::ADD_X, 0);
    asm.emit(op::ST, END);
    asm.emit(op::LD_BYTE_AT_X, 0);
    asm.emit(op::AND, 0x0f);
    asm.emit(op::LSH, 2);
    asm.branch(op::JGE, offset(LEAST_HEADER), Label::NEXT, labels.reject);
    asm.emit(op::ADD_X, 0);
    asm.emit(op::TAX, 0);
    asm.jump(labels.transport);
}

pub(super) fn ipv6(asm: &mut Assembler, labels: &Labels) {
    asm.place(labels.ipv6);
    asm.emit(op::LD_BYTE_AT_X, 0);
    asm.emit(op::RSH, 4);
    asm.branch(op::JEQ, 6, Label::NEXT, labels.reject);
    asm.emit(op::LD_BYTE_AT_X, 6);
    asm.emit(op::ST, PROTOCOL);
    asm.emit(op::LD_HALF_AT_X, 4);
    asm.emit(op::ADD_X, 0);
    asm.emit(op::ADD, offset(IPV6_HEADER));
    asm.emit(op::ST, END);
    asm.emit(op::TXA, 0);
    asm.emit(op::ADD, offset(IPV6_HEADER));
    asm.emit(op::TAX, 0);
    // BPF has no loops: the walk over extension headers is unrolled.
    for _ in 0..MAX_EXTENSIONS {
        let extension = asm.label();
        asm.emit(op::LD_MEMORY, PROTOCOL);
        for number in EXTENSIONS {
            asm.branch(op::JEQ, number.into(), extension, Label::NEXT);
        }
        asm.jump(labels.transport);
        asm.place(extension);
        asm.emit(op::LD_BYTE_AT_X, 0);
        asm.emit(op::ST, PROTOCOL);
        asm.emit(op::LD_BYTE_AT_X, 1);
        asm.emit(op::ADD, 1);
        asm.emit(op::LSH, 3);
        asm.emit(op::ADD_X, 0);
        asm.emit(op::TAX, 0);
    }
}
