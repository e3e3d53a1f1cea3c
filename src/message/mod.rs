//! What the processes of the daemon tell each other.
//!
//! A [`channel::Channel`] carries [`packet::Packet`]s: records of one size,
//! some with a blob behind them, some with a descriptor. [`engine`],
//! [`parent`] and [`runner`] give them meaning. Nothing that the engine sends has a blob or a
//! descriptor; who sends something unknown is not listened to any more.
#![forbid(unsafe_code)]

pub mod channel;
pub mod engine;
pub mod packet;
pub mod parent;
pub mod runner;

/// The program that speaks. Processes of two versions do not understand each
/// other: an upgrade takes a restart.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A message of one direction of one channel.
pub trait Message: Sized {
    /// The packet that carries it.
    fn encode(&self) -> packet::Packet;

    /// What the packet says; `None` for a tag or a value that does not exist.
    fn decode(packet: &packet::Packet) -> Option<Self>;
}
