//! Compiles interests to a classic BPF program.
//!
//! The program accepts what [`frame::sight`](super::frame::sight) accepts and an
//! interest covers. It also accepts packets whose source address cannot be a
//! host's, which the parser rejects: comparing prefixes would make every program
//! longer for packets that hardly occur.
//!
//! X holds the offset of the current header. What later steps need is in scratch
//! memory.
#![forbid(unsafe_code)]

use super::filter_headers::{self, END, Labels, PROTOCOL, offset};
use super::program::{Assembler, Label, op};
use super::wider;
use super::wire::{LEAST_HEADER, TCP, UDP, UDP_HEADER};
use crate::core::interest::{Form, Interest, Packets, Ports};
use crate::core::link::Link;
use crate::core::mark::MarkKey;
use crate::core::sighting::{FlagMask, Protocol};

pub use super::program::{Instruction, MAX_INSTRUCTIONS, Program};

/// The direction of the packets that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both, for descriptors that select the direction themselves.
    Both,
    /// Incoming only. The header of pflog has the direction. For other links the
    /// program reads the ancillary data of Linux, which no other kernel has.
    Incoming,
}

/// Everything in the frame.
const ACCEPT: u32 = u32::MAX;
/// The most values compared in one block, so that its tests reach its end.
const BLOCK: usize = 100;
/// Scratch memory: the offset of the transport header.
const TRANSPORT: u32 = 2;
/// Scratch memory: bytes from the transport header to the end.
const SIZE: u32 = 3;
/// Scratch memory: products of the first two words of a nonce.
const PRODUCTS: [u32; 2] = [4, 5];
/// Scratch memory: the mark of a datagram.
const MARK: u32 = 6;

/// Compiles the filter for one link type. Without interests it rejects
/// everything.
///
/// Where that would take more than [`MAX_INSTRUCTIONS`], some 290 ports next to
/// the tokens of two gate keys, the program passes more than the interests: first
/// the range of each list of ports; if that does not help, all segments with the
/// flags that the interests have in common, and all datagrams. Datagrams to the
/// port of tokens need length and mark even then.
#[must_use]
pub fn compile(link: Link, interests: &[Interest], direction: Direction) -> Program {
    if interests.is_empty() {
        return Program::reject_all();
    }
    let widened =
        |wider: fn(&[Interest]) -> Vec<Interest>| assemble(link, &wider(interests), direction);
    assemble(link, interests, direction)
        .or_else(|| widened(wider::ranges))
        .or_else(|| widened(wider::everywhere))
        // Never needed: tokens of one port and two more interests fit.
        .unwrap_or_else(Program::reject_all)
}

fn assemble(link: Link, interests: &[Interest], direction: Direction) -> Option<Program> {
    let mut asm = Assembler::new();
    let labels = Labels {
        ipv4: asm.label(),
        ipv6: asm.label(),
        transport: asm.label(),
        reject: asm.label(),
    };
    if direction == Direction::Incoming {
        filter_headers::incoming(&mut asm, link, &labels);
    }
    filter_headers::network(&mut asm, link, &labels);
    filter_headers::ipv4(&mut asm, &labels);
    filter_headers::ipv6(&mut asm, &labels);
    let (tcp, udp) = transport(&mut asm, &labels);
    asm.place(labels.reject);
    asm.emit(op::RET, 0);
    for (label, protocol) in [(tcp, Protocol::Tcp), (udp, Protocol::Udp)] {
        asm.place(label);
        for interest in interests.iter().filter(|interest| interest.protocol == protocol) {
            accept(&mut asm, interest);
        }
        asm.emit(op::RET, 0);
    }
    asm.finish()
}

/// Checks the lengths and branches by protocol; X stays on the transport
/// header. Returns the labels of TCP and UDP.
fn transport(asm: &mut Assembler, labels: &Labels) -> (Label, Label) {
    let (check_udp, tcp, udp) = (asm.label(), asm.label(), asm.label());
    asm.place(labels.transport);
    asm.emit(op::STX, TRANSPORT);
    asm.emit(op::LDX_MEMORY, END);
    asm.emit(op::LD_LENGTH, 0);
    asm.branch(op::JGE_X, 0, Label::NEXT, labels.reject);
    asm.emit(op::LD_MEMORY, TRANSPORT);
    asm.branch(op::JGT_X, 0, labels.reject, Label::NEXT);
    asm.emit(op::LDX_MEMORY, TRANSPORT);
    asm.emit(op::LD_MEMORY, END);
    asm.emit(op::SUB_X, 0);
    asm.emit(op::ST, SIZE);
    asm.emit(op::LD_MEMORY, PROTOCOL);
    asm.branch(op::JEQ, UDP.into(), check_udp, Label::NEXT);
    asm.branch(op::JEQ, TCP.into(), Label::NEXT, labels.reject);
    // The data offset counts words, in the upper half of the byte.
    asm.emit(op::LD_BYTE_AT_X, 12);
    asm.emit(op::RSH, 4);
    asm.emit(op::LSH, 2);
    asm.branch(op::JGE, offset(LEAST_HEADER), Label::NEXT, labels.reject);
    asm.emit(op::TAX, 0);
    asm.emit(op::LD_MEMORY, SIZE);
    asm.branch(op::JGE_X, 0, Label::NEXT, labels.reject);
    asm.emit(op::LDX_MEMORY, TRANSPORT);
    asm.jump(tcp);
    asm.place(check_udp);
    asm.emit(op::LD_HALF_AT_X, 4);
    asm.branch(op::JGE, offset(UDP_HEADER), Label::NEXT, labels.reject);
    asm.emit(op::TAX, 0);
    asm.emit(op::LD_MEMORY, SIZE);
    asm.branch(op::JEQ_X, 0, Label::NEXT, labels.reject);
    asm.emit(op::LDX_MEMORY, TRANSPORT);
    asm.jump(udp);
    (tcp, udp)
}

/// Accepts what `interest` covers. Other packets go on to the next instruction.
fn accept(asm: &mut Assembler, interest: &Interest) {
    let blocks = match &interest.ports {
        Ports::Of(ports) => {
            ports.chunks(BLOCK).map(|ports| Ports::Of(ports.to_vec())).collect()
        }
        other => vec![other.clone()],
    };
    for ports in &blocks {
        match (&interest.packets, interest.protocol) {
            (Packets::All, _) => block(asm, ports, |_, _| ()),
            (Packets::Flags(mask), Protocol::Tcp) => {
                block(asm, ports, |asm, other| flags(asm, *mask, other));
            }
            (Packets::Tokens(forms), Protocol::Udp) => {
                block(asm, ports, |asm, other| tokens(asm, forms, other));
            }
            (Packets::Lengths(lengths), Protocol::Udp) => {
                let lengths: Vec<_> = lengths
                    .iter()
                    .filter_map(|length| u16::try_from(length.checked_add(UDP_HEADER)?).ok())
                    .collect();
                for lengths in lengths.chunks(BLOCK) {
                    block(asm, ports, |asm, other| one_of(asm, 4, lengths, other));
                }
            }
            (Packets::Between(least, most), Protocol::Udp) => {
                block(asm, ports, |asm, other| {
                    asm.emit(op::LD_HALF_AT_X, 4);
                    let bound = |length: usize| offset(length.saturating_add(UDP_HEADER));
                    asm.branch(op::JGE, bound(*least), Label::NEXT, other);
                    asm.branch(op::JGE, bound(most.saturating_add(1)), other, Label::NEXT);
                });
            }
            // No packet can be both.
            (Packets::Flags(_), Protocol::Udp)
            | (
                Packets::Tokens(_) | Packets::Lengths(_) | Packets::Between(..),
                Protocol::Tcp,
            ) => {}
        }
    }
}

/// Accepts a packet to one of `ports` that passes `test`, which jumps to the
/// label it is given when it does not hold.
fn block(asm: &mut Assembler, ports: &Ports, test: impl FnOnce(&mut Assembler, Label)) {
    let other = asm.label();
    match ports {
        Ports::Any => {}
        Ports::Of(ports) => one_of(asm, 2, ports, other),
        Ports::Within { first, last, except } => {
            asm.emit(op::LD_HALF_AT_X, 2);
            asm.branch(op::JGE, (*first).into(), Label::NEXT, other);
            asm.branch(op::JGE, u32::from(*last) + 1, other, Label::NEXT);
            for port in except {
                asm.branch(op::JEQ, (*port).into(), other, Label::NEXT);
            }
        }
    }
    test(asm, other);
    asm.emit(op::RET, ACCEPT);
    asm.place(other);
}

/// Goes on if the two bytes at `at` are one of `values`, else to `other`.
fn one_of(asm: &mut Assembler, at: u32, values: &[u16], other: Label) {
    let Some((last, rest)) = values.split_last() else {
        return;
    };
    let found = asm.label();
    asm.emit(op::LD_HALF_AT_X, at);
    for value in rest {
        asm.branch(op::JEQ, (*value).into(), found, Label::NEXT);
    }
    asm.branch(op::JEQ, (*last).into(), Label::NEXT, other);
    asm.place(found);
}

fn flags(asm: &mut Assembler, FlagMask { set, clear }: FlagMask, other: Label) {
    asm.emit(op::LD_BYTE_AT_X, 13);
    asm.emit(op::AND, set.union(clear).0.into());
    asm.branch(op::JEQ, set.0.into(), Label::NEXT, other);
}

/// Goes on if the datagram may be a token of one of `forms`, else to `other`.
fn tokens(asm: &mut Assembler, forms: &[Form], other: Label) {
    let found = asm.label();
    // It holds this already. But for Linux's checker, what follows a return may
    // come from where the return came from, before anything was stored.
    asm.emit(op::STX, TRANSPORT);
    for Form { length, mark } in forms {
        let wrong = asm.label();
        asm.emit(op::LD_HALF_AT_X, 4);
        let length = offset(length.saturating_add(UDP_HEADER));
        asm.branch(op::JEQ, length, Label::NEXT, wrong);
        computed_mark(asm, mark);
        asm.emit(op::LDX_MEMORY, MARK);
        asm.branch(op::JEQ_X, 0, found, Label::NEXT);
        asm.emit(op::LDX_MEMORY, TRANSPORT);
        asm.place(wrong);
    }
    asm.jump(other);
    asm.place(found);
}

/// Puts the mark of the nonce into A, as [`MarkKey::mark`] computes it, and the
/// one of the datagram into scratch memory.
fn computed_mark(asm: &mut Assembler, key: &MarkKey) {
    let nonce = offset(UDP_HEADER);
    let [a, b, c] = key.factors();
    for (place, (product, factor)) in (0..).zip(PRODUCTS.into_iter().zip([a, b])) {
        asm.emit(op::LD_WORD_AT_X, nonce + 4 * place);
        asm.emit(op::MUL, factor);
        asm.emit(op::ST, product);
    }
    asm.emit(op::LD_WORD_AT_X, nonce + 12);
    asm.emit(op::ST, MARK);
    asm.emit(op::LD_WORD_AT_X, nonce + 8);
    asm.emit(op::MUL, c);
    asm.emit(op::ADD, key.summand());
    for product in PRODUCTS {
        asm.emit(op::LDX_MEMORY, product);
        asm.emit(op::ADD_X, 0);
    }
    let mixed = |asm: &mut Assembler, shift| {
        asm.emit(op::TAX, 0);
        asm.emit(op::RSH, shift);
        asm.emit(op::ADD_X, 0);
    };
    for factor in key.rounds() {
        mixed(asm, 15);
        asm.emit(op::MUL, factor);
    }
    mixed(asm, 16);
}
