//! Classic BPF programs, and an assembler for them.
//!
//! The encoding is McCanne and Jacobson's of 1992, the same in bpf(4) of the
//! BSDs and macOS and in Linux's socket filters.
#![forbid(unsafe_code)]

use std::fmt;

use zeroize::{DefaultIsZeroes, Zeroizing};

/// The longest program, in instructions: `BPF_MAXINSNS` of the BSDs and
/// macOS; Linux takes 4096.
pub const MAX_INSTRUCTIONS: usize = 512;

/// One instruction. It cannot be printed, as operands hold words of keys.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip when a test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl DefaultIsZeroes for Instruction {}

/// A filter that kernels accept: not empty, at most [`MAX_INSTRUCTIONS`], its
/// jumps forward, its end a return. It is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Program(Zeroizing<Vec<Instruction>>);

impl Program {
    /// Rejects everything, for the time before a descriptor has its filter.
    #[must_use]
    pub fn reject_all() -> Self {
        Self(vec![Instruction { code: op::RET, ..Instruction::default() }].into())
    }

    /// The instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

impl fmt::Debug for Program {
    /// Shows no instruction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program of {} instructions", self.0.len())
    }
}

/// Operation codes, as many as filters here need. `A` is the accumulator, `X`
/// the index register, `M` the scratch memory.
pub(super) mod op {
    /// A = number of bytes in the frame.
    pub const LD_LENGTH: u16 = 0x80;
    /// A = 4 bytes at k.
    pub const LD_WORD: u16 = 0x20;
    /// A = 2 bytes at k.
    pub const LD_HALF: u16 = 0x28;
    /// A = the byte at k.
    pub const LD_BYTE: u16 = 0x30;
    /// A = 4 bytes at X + k.
    pub const LD_WORD_AT_X: u16 = 0x40;
    /// A = 2 bytes at X + k.
    pub const LD_HALF_AT_X: u16 = 0x48;
    /// A = the byte at X + k.
    pub const LD_BYTE_AT_X: u16 = 0x50;
    /// A = M\[k\].
    pub const LD_MEMORY: u16 = 0x60;
    /// X = k.
    pub const LDX: u16 = 0x01;
    /// X = M\[k\].
    pub const LDX_MEMORY: u16 = 0x61;
    /// M\[k\] = A.
    pub const ST: u16 = 0x02;
    /// M\[k\] = X.
    pub const STX: u16 = 0x03;
    /// A += k.
    pub const ADD: u16 = 0x04;
    /// A += X.
    pub const ADD_X: u16 = 0x0c;
    /// A -= X.
    pub const SUB_X: u16 = 0x1c;
    /// A *= k.
    pub const MUL: u16 = 0x24;
    /// A &= k.
    pub const AND: u16 = 0x54;
    /// A <<= k.
    pub const LSH: u16 = 0x64;
    /// A >>= k.
    pub const RSH: u16 = 0x74;
    /// Skip k instructions.
    pub const JA: u16 = 0x05;
    /// A == k?
    pub const JEQ: u16 = 0x15;
    /// A > X?
    pub const JGT_X: u16 = 0x2d;
    /// A >= k?
    pub const JGE: u16 = 0x35;
    /// A >= X?
    pub const JGE_X: u16 = 0x3d;
    /// A == X?
    pub const JEQ_X: u16 = 0x1d;
    /// A & k != 0?
    pub const JSET: u16 = 0x45;
    /// Let k bytes of the frame pass; 0 rejects it.
    pub const RET: u16 = 0x06;
    /// X = A.
    pub const TAX: u16 = 0x07;
    /// A = X.
    pub const TXA: u16 = 0x87;
}

/// A place in a program under construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

impl Label {
    /// The instruction after the branch.
    pub(super) const NEXT: Self = Self(usize::MAX);
}

/// Puts instructions in a row and turns labels into distances.
pub(super) struct Assembler {
    /// Those that kernels would accept. As it does not grow, no copies of keys
    /// stay where it was before.
    lines: Zeroizing<Vec<Instruction>>,
    /// Where each instruction leads, if its test holds and if not.
    targets: Vec<(Label, Label)>,
    places: Vec<Option<usize>>,
}

impl Assembler {
    pub(super) fn new() -> Self {
        let lines = Vec::with_capacity(MAX_INSTRUCTIONS).into();
        Self { lines, targets: Vec::new(), places: Vec::new() }
    }

    /// A label to be placed later; branches only lead forward.
    pub(super) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Puts `label` before the instruction that comes next.
    pub(super) fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = Some(self.targets.len());
        }
    }

    /// Appends an instruction that goes on to the next one.
    pub(super) fn emit(&mut self, code: u16, k: u32) {
        self.branch(code, k, Label::NEXT, Label::NEXT);
    }

    /// Appends a test.
    pub(super) fn branch(&mut self, code: u16, k: u32, then: Label, otherwise: Label) {
        if self.lines.len() < MAX_INSTRUCTIONS {
            self.lines.push(Instruction { code, k, ..Instruction::default() });
        }
        self.targets.push((then, otherwise));
    }

    /// Appends a jump; it reaches further than a test.
    pub(super) fn jump(&mut self, to: Label) {
        self.branch(op::JA, 0, to, Label::NEXT);
    }

    /// Returns the program. There is none if it is too long, or if a branch cannot
    /// reach its label: tests carry distances of 8 bits.
    pub(super) fn finish(mut self) -> Option<Program> {
        if self.targets.len() > MAX_INSTRUCTIONS {
            return None;
        }
        let mut lines = std::mem::take(&mut self.lines);
        for (at, (line, &(then, otherwise))) in lines.iter_mut().zip(&self.targets).enumerate()
        {
            let then = self.distance(at, then)?;
            if line.code == op::JA {
                line.k = then;
            } else {
                line.jt = u8::try_from(then).ok()?;
                line.jf = u8::try_from(self.distance(at, otherwise)?).ok()?;
            }
        }
        Some(Program(lines))
    }

    /// Instructions to skip from the one at `at`.
    fn distance(&self, at: usize, label: Label) -> Option<u32> {
        if label == Label::NEXT {
            return Some(0);
        }
        let place = self.places.get(label.0).copied().flatten()?;
        u32::try_from(place.checked_sub(at + 1)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaching_over(count: usize) -> Option<Program> {
        let mut assembler = Assembler::new();
        let end = assembler.label();
        assembler.branch(op::JEQ, 0, end, Label::NEXT);
        for _ in 0..count {
            assembler.emit(op::TAX, 0);
        }
        assembler.place(end);
        assembler.emit(op::RET, 0);
        assembler.finish()
    }

    #[test]
    fn labels_become_the_distance_between_instructions() {
        assert_eq!(reaching_over(0).unwrap().instructions()[0].jt, 0);
        assert_eq!(reaching_over(255).unwrap().instructions()[0].jt, 255);
    }

    #[test]
    fn a_branch_that_cannot_reach_its_label_is_refused() {
        assert!(reaching_over(256).is_none());
    }

    #[test]
    fn a_program_longer_than_kernels_take_is_refused() {
        let of_length = |length| {
            let mut assembler = Assembler::new();
            for _ in 0..length {
                assembler.emit(op::RET, 0);
            }
            assembler.finish()
        };
        assert!(of_length(MAX_INSTRUCTIONS).is_some());
        assert!(of_length(MAX_INSTRUCTIONS + 1).is_none());
    }
}
