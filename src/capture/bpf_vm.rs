//! What a kernel does with a filter, without a kernel: for tests, and for
//! frames that come from files.
#![forbid(unsafe_code)]

use super::program::{Program, op};

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

impl Program {
    /// How many bytes of `frame` pass: 0 when the filter rejects it. As in a
    /// kernel, a load from outside the frame rejects.
    #[must_use]
    pub fn run(&self, frame: &[u8]) -> u32 {
        self.verdict(frame).unwrap_or(0)
    }

    /// `None` on a load out of bounds, and for what no filter here contains.
    fn verdict(&self, frame: &[u8]) -> Option<u32> {
        let mut machine = Machine::default();
        let mut at = 0;
        // Jumps lead forward only, so this ends.
        loop {
            let instruction = self.instructions().get(at)?;
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
