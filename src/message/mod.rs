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

/// The version of this program. A process ends when its peer is of another
/// version, so an upgrade needs a restart.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A message of one direction of one channel.
pub trait Message: Sized {
    /// The packet that carries it.
    fn encode(&self) -> packet::Packet;

    /// Reads a packet; `None` for an unknown tag or value.
    fn decode(packet: &packet::Packet) -> Option<Self>;
}
