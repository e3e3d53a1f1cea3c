//! Attaches, filters and locks a bpf descriptor.
#![forbid(unsafe_code)]

use std::io;

use nix::libc;
use zeroize::Zeroizing;

use super::abi::Abi;
use crate::capture::filter::Program;
use crate::core::link::Link;
use crate::ioctl::Device;
use crate::ioctl::layout::Request;

/// The size of the buffer in bytes. The kernel has two of them, for some thousand
/// tokens in one burst.
pub const BUFFER: u32 = 256 * 1024;

/// Attaches the new descriptor `device` to the interface `name`. Only incoming
/// packets that the program from `compile` accepts pass, none can be sent, and
/// changes are forbidden where the system can do that. Returns the link type.
///
/// Until the filter is set, all packets are rejected.
///
/// # Errors
/// `ENXIO` when there is no such interface, `Unsupported` for a link type that
/// cannot be read, or the system's.
pub fn attach(
    device: &mut impl Device,
    abi: &Abi,
    name: &str,
    loopback: bool,
    compile: impl FnOnce(Link) -> Program,
) -> io::Result<Link> {
    // The length cannot be set after attaching.
    set(device, &abi.set_buffer, BUFFER)?;
    set_program(device, abi, &abi.set_filter, &Program::reject_all())?;
    set_interface(device, abi, name)?;
    let link = link(device, abi, name)?;
    set_program(device, abi, &abi.set_filter, &compile(link))?;
    // pflog(4) has packets of both directions, and none of its own.
    let all = link == Link::Pflog || loopback && abi.loopback_goes_out;
    set(device, &abi.set_direction, if all { abi.both } else { abi.incoming })?;
    set(device, &abi.immediate, 1)?;
    if let Some(request) = &abi.set_write_filter {
        set_program(device, abi, request, &Program::reject_all())?;
    }
    if let Some(request) = &abi.lock {
        device.ioctl(request, &mut [], &mut [])?;
    }
    Ok(link)
}

/// Returns how long every read must be.
///
/// # Errors
/// The system's.
pub fn buffer_length(device: &mut impl Device, abi: &Abi) -> io::Result<usize> {
    usize::try_from(get(device, &abi.buffer)?).map_err(io::Error::other)
}

/// Returns how many packets were dropped because the buffer was full, since the
/// descriptor was opened and modulo 2^32.
///
/// # Errors
/// The system's.
pub fn dropped(device: &mut impl Device, abi: &Abi) -> io::Result<u32> {
    let mut argument = vec![0; abi.statistics.length()];
    device.ioctl(&abi.statistics, &mut argument, &mut [])?;
    u32::try_from(abi.dropped.get(&argument)).map_err(io::Error::other)
}

fn set(device: &mut impl Device, request: &Request, value: u32) -> io::Result<()> {
    device.ioctl(request, &mut value.to_ne_bytes(), &mut [])
}

fn get(device: &mut impl Device, request: &Request) -> io::Result<u32> {
    let mut value = [0; 4];
    device.ioctl(request, &mut value, &mut [])?;
    Ok(u32::from_ne_bytes(value))
}

fn set_interface(device: &mut impl Device, abi: &Abi, name: &str) -> io::Result<()> {
    // The last byte stays the terminator.
    if name.len() >= abi.interface.size || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENXIO));
    }
    let mut argument = vec![0; abi.set_interface.length()];
    abi.interface.write(&mut argument, name.as_bytes());
    device.ioctl(&abi.set_interface, &mut argument, &mut [])
}

fn link(device: &mut impl Device, abi: &Abi, name: &str) -> io::Result<Link> {
    let number = get(device, &abi.link)?;
    let known = abi.links.iter().find(|(known, _)| *known == number);
    known.map(|(_, link)| *link).ok_or_else(|| {
        let text = format!("interface {name} has link type {number}, not supported");
        io::Error::new(io::ErrorKind::Unsupported, text)
    })
}

/// Sets a filter, in the layout of `struct bpf_insn`.
fn set_program(
    device: &mut impl Device,
    abi: &Abi,
    request: &Request,
    program: &Program,
) -> io::Result<()> {
    let instructions = program.instructions();
    // Operands hold words of keys.
    let mut memory = Zeroizing::new(Vec::with_capacity(instructions.len() * 8));
    for instruction in instructions {
        memory.extend_from_slice(&instruction.code.to_ne_bytes());
        memory.extend_from_slice(&[instruction.jt, instruction.jf]);
        memory.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    let mut argument = vec![0; request.length()];
    abi.filter_length.put(&mut argument, instructions.len() as u64);
    device.ioctl(request, &mut argument, &mut memory)
}
