//! What the processes of the daemon send each other.
//!
//! A [`channel::Channel`] carries [`packet::Packet`]s: records of one size,
//! some followed by a blob, some with a descriptor. [`engine`], [`parent`] and
//! [`runner`] give them meaning. The engine sends no blob and no descriptor. A
//! peer that sends an unknown message is ended.
#![forbid(unsafe_code)]

pub mod channel;
pub mod engine;
pub mod packet;
pub mod parent;
pub mod runner;

use crate::core::bytes::{Malformed, Reader, Writer};

/// The version of this program. A process ends when its peer is of another
/// version, so an upgrade needs a restart.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A message of one direction of one channel.
pub trait Message: Sized {
    /// The packet that carries it.
    fn encode(&self) -> packet::Packet;

    /// Reads a packet.
    ///
    /// # Errors
    /// For an unknown tag or value.
    fn decode(packet: &packet::Packet) -> Result<Self, Malformed>;
}

/// [`VERSION`], cut or padded to the length that it has in a message.
fn version() -> [u8; 16] {
    Writer::new().bytes(VERSION.get(..16).unwrap_or(VERSION).as_bytes()).padded()
}

/// A user and a group.
fn write_account(fields: Writer, (uid, gid): (u32, u32)) -> Writer {
    fields.u32(uid).u32(gid)
}

fn read_account(fields: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    Ok((fields.u32()?, fields.u32()?))
}
