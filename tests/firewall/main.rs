//! The packet filters: nftables as it is, pf by its layouts and by a kernel
//! made for tests. `tests/pf_real.rs` meets the real one.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[path = "../common/needs.rs"]
#[macro_use]
mod needs;

mod abi;
#[path = "../common/lines.rs"]
mod lines;
#[cfg(target_os = "linux")]
mod nft;
mod pf_kernel;
