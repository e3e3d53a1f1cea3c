//! States, and what kills them.

use std::io;

use nix::libc;

use super::nv::{self, Value};
use super::{Kernel, System, fail, get32, put32};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub af: u8,
    pub protocol: u8,
    pub source: ([u8; 16], u16),
    pub destination: ([u8; 16], u16),
    pub rdomain: u16,
}

/// What one end must be: address, mask, port in network order, operator.
struct End {
    address: [u8; 16],
    mask: [u8; 16],
    port: u16,
    operator: u8,
}

impl End {
    fn read(bytes: &[u8], port: usize, operator: usize) -> Self {
        Self {
            address: bytes[..16].try_into().unwrap(),
            mask: bytes[16..32].try_into().unwrap(),
            port: u16::from_be_bytes([bytes[port], bytes[port + 1]]),
            operator: bytes[operator],
        }
    }

    fn matches(&self, (address, port): ([u8; 16], u16)) -> bool {
        let differing = |((a, b), mask): ((&u8, &u8), &u8)| (a ^ b) & mask != 0;
        let fits = !address.iter().zip(&self.address).zip(&self.mask).any(differing);
        fits && match self.operator {
            0 => true,
            2 => port == self.port,
            _ => panic!("operator {}", self.operator),
        }
    }
}

fn kill_where(kernel: &mut Kernel, matches: impl Fn(&State) -> bool) -> u32 {
    let before = kernel.states.len();
    kernel.states.retain(|state| !matches(state));
    (before - kernel.states.len()) as u32
}

/// `struct pfioc_state_kill` of FreeBSD and OpenBSD.
pub fn kill(kernel: &mut Kernel, bytes: &mut [u8]) -> io::Result<()> {
    assert!(bytes[..16].iter().all(|byte| *byte == 0), "a state by its number");
    assert!(bytes[136..216].iter().all(|byte| *byte == 0), "an interface or label");
    let (af, protocol) = (bytes[16], get32(bytes, 20) as u8);
    let (source, destination) =
        (End::read(&bytes[24..], 48, 53), End::read(&bytes[80..], 48, 53));
    let rdomain = u16::from_ne_bytes([bytes[220], bytes[221]]);
    let by_rdomain = kernel.system == System::OpenBsd;
    let killed = kill_where(kernel, |state| {
        (af == 0 || state.af == af)
            && (protocol == 0 || state.protocol == protocol)
            && (!by_rdomain || state.rdomain == rdomain)
            && source.matches(state.source)
            && destination.matches(state.destination)
    });
    put32(bytes, 216, killed);
    Ok(())
}

/// `struct pfioc_state_kill` of macOS, which counts in the family's byte.
pub fn kill_on_macos(kernel: &mut Kernel, bytes: &mut [u8]) -> io::Result<()> {
    assert!(bytes[136..].iter().all(|byte| *byte == 0), "an interface or owner");
    let (af, protocol) = (bytes[0], bytes[1]);
    let (mut source, mut destination) =
        (End::read(&bytes[8..], 52, 56), End::read(&bytes[72..], 52, 56));
    if protocol == 0 {
        // Ports are compared only for a protocol that has them.
        (source.operator, destination.operator) = (0, 0);
    }
    let killed = kill_where(kernel, |state| {
        (af == 0 || state.af == af)
            && (protocol == 0 || state.protocol == protocol)
            && source.matches(state.source)
            && destination.matches(state.destination)
    });
    bytes[0] = killed as u8;
    Ok(())
}

/// `DIOCKILLSTATESNV`.
pub fn kill_by_list(
    kernel: &mut Kernel,
    bytes: &mut [u8],
    memory: &mut [u8],
) -> io::Result<()> {
    let used = get32(bytes, 8) as usize;
    if used > kernel.max_count {
        return fail(libc::ENOMEM);
    }
    let Some(list) = nv::unpack(&memory[..used]) else { return fail(libc::EBADMSG) };
    let Some((af, protocol, source, destination)) = request(&list) else {
        return fail(libc::EINVAL);
    };
    let killed = kill_where(kernel, |state| {
        (af == 0 || u64::from(state.af) == af)
            && (protocol == 0 || u64::from(state.protocol) == protocol)
            && source.matches(state.source)
            && destination.matches(state.destination)
    });
    // The kill happened, whether or not there is room to say so.
    nv::answer(bytes, memory, &nv::killed(killed.into()))
}

/// Every key that the kernel insists on.
fn request(list: &nv::List) -> Option<(u64, u64, End, End)> {
    let cmp = list.get("cmp")?.list()?;
    for key in ["id", "creatorid", "direction"] {
        assert_eq!(cmp.get(key)?.number()?, 0);
    }
    let ends = (end(list.get("src")?.list()?)?, end(list.get("dst")?.list()?)?);
    for key in ["ifname", "label"] {
        assert_eq!(list.get(key)?, &Value::Text(String::new()));
    }
    assert_eq!(list.get("kill_match")?, &Value::Bool(false));
    Some((list.get("af")?.number()?, list.get("proto")?.number()?, ends.0, ends.1))
}

fn end(list: &nv::List) -> Option<End> {
    let wrap = list.get("addr")?.list()?;
    assert_eq!((wrap.get("type")?.number()?, wrap.get("iflags")?.number()?), (0, 0));
    assert_eq!(list.get("neg")?.number()?, 0);
    let bytes = |key: &str| match wrap.get(key)?.list()?.get("addr")? {
        Value::Binary(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    };
    let Value::Numbers(ports) = list.get("port")? else { return None };
    let [port, _] = ports.as_slice() else { return None };
    Some(End {
        address: bytes("addr")?,
        mask: bytes("mask")?,
        port: u16::from_be_bytes((*port as u16).to_ne_bytes()),
        operator: list.get("port_op")?.number()? as u8,
    })
}
