//! What a kernel does with a filter, without a kernel.

use knockd::capture::filter::Program;

/// Words of scratch memory (`BPF_MEMWORDS`).
const MEMORY: usize = 16;

/// Where Linux's ancillary data begins (`SKF_AD_OFF`). Here they are all
/// zero, so a frame counts as one that came in (`PACKET_HOST`).
const ANCILLARY: u32 = 0xffff_f000;

#[derive(Default)]
struct Machine {
    a: u32,
    x: u32,
    memory: [u32; MEMORY],
}

/// Whether `frame` passes. As in a kernel, a load from outside the frame
/// rejects it.
pub fn passes(program: &Program, frame: &[u8]) -> bool {
    verdict(program, frame).is_some_and(|length| length != 0)
}

/// How many bytes pass; `None` on a load out of bounds, and for what no
/// filter here contains.
fn verdict(program: &Program, frame: &[u8]) -> Option<u32> {
    let mut machine = Machine::default();
    let mut at = 0;
    // Jumps lead forward only, so this ends.
    loop {
        let instruction = program.instructions().get(at)?;
        let (code, k) = (instruction.code, instruction.k);
        at += 1;
        let holds = match code {
            op::RET => return Some(k),
            op::JA => {
                at = at.checked_add(usize::try_from(k).ok()?)?;
                continue;
            }
            op::JEQ => machine.a == k,
            op::JEQ_X => machine.a == machine.x,
            op::JGE => machine.a >= k,
            op::JGE_X => machine.a >= machine.x,
            op::JGT_X => machine.a > machine.x,
            op::JSET => machine.a & k != 0,
            _ => {
                machine.step(code, k, frame)?;
                continue;
            }
        };
        at += usize::from(if holds { instruction.jt } else { instruction.jf });
    }
}

impl Machine {
    /// One instruction that is no jump and no return.
    fn step(&mut self, code: u16, k: u32, frame: &[u8]) -> Option<()> {
        let slot = usize::try_from(k).ok()?;
        match code {
            op::LD_LENGTH => self.a = u32::try_from(frame.len()).ok()?,
            op::LD_WORD if k >= ANCILLARY => self.a = 0,
            op::LD_WORD => self.a = load(frame, k, 4)?,
            op::LD_HALF => self.a = load(frame, k, 2)?,
            op::LD_BYTE => self.a = load(frame, k, 1)?,
            op::LD_WORD_AT_X => self.a = load(frame, self.x.checked_add(k)?, 4)?,
            op::LD_HALF_AT_X => self.a = load(frame, self.x.checked_add(k)?, 2)?,
            op::LD_BYTE_AT_X => self.a = load(frame, self.x.checked_add(k)?, 1)?,
            op::LD_MEMORY => self.a = *self.memory.get(slot)?,
            op::LDX => self.x = k,
            op::LDX_MEMORY => self.x = *self.memory.get(slot)?,
            op::ST => *self.memory.get_mut(slot)? = self.a,
            op::STX => *self.memory.get_mut(slot)? = self.x,
            op::ADD => self.a = self.a.wrapping_add(k),
            op::ADD_X => self.a = self.a.wrapping_add(self.x),
            op::SUB_X => self.a = self.a.wrapping_sub(self.x),
            op::MUL => self.a = self.a.wrapping_mul(k),
            op::AND => self.a &= k,
            op::LSH => self.a = self.a.checked_shl(k)?,
            op::RSH => self.a = self.a.checked_shr(k)?,
            op::TAX => self.x = self.a,
            op::TXA => self.a = self.x,
            _ => return None,
        }
        Some(())
    }
}

/// `size` bytes at `offset`, big-endian.
fn load(frame: &[u8], offset: u32, size: usize) -> Option<u32> {
    let start = usize::try_from(offset).ok()?;
    let bytes = frame.get(start..start.checked_add(size)?)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// Operation codes, as many as filters here need, as bpf(4) lists them.
mod op {
    pub const LD_LENGTH: u16 = 0x80;
    pub const LD_WORD: u16 = 0x20;
    pub const LD_HALF: u16 = 0x28;
    pub const LD_BYTE: u16 = 0x30;
    pub const LD_WORD_AT_X: u16 = 0x40;
    pub const LD_HALF_AT_X: u16 = 0x48;
    pub const LD_BYTE_AT_X: u16 = 0x50;
    pub const LD_MEMORY: u16 = 0x60;
    pub const LDX: u16 = 0x01;
    pub const LDX_MEMORY: u16 = 0x61;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const ADD: u16 = 0x04;
    pub const ADD_X: u16 = 0x0c;
    pub const SUB_X: u16 = 0x1c;
    pub const MUL: u16 = 0x24;
    pub const AND: u16 = 0x54;
    pub const LSH: u16 = 0x64;
    pub const RSH: u16 = 0x74;
    pub const JA: u16 = 0x05;
    pub const JEQ: u16 = 0x15;
    pub const JGT_X: u16 = 0x2d;
    pub const JGE: u16 = 0x35;
    pub const JGE_X: u16 = 0x3d;
    pub const JEQ_X: u16 = 0x1d;
    pub const JSET: u16 = 0x45;
    pub const RET: u16 = 0x06;
    pub const TAX: u16 = 0x07;
    pub const TXA: u16 = 0x87;
}
