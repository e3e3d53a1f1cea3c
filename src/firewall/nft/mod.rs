//! nftables, which only Linux has.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{MAX_ENTRIES, Nft};
