//! Whether the clock can judge tokens.
#![forbid(unsafe_code)]

use crate::core::finding::Finding;
use crate::core::time::Wall;

/// 2026-01-01 00:00:00 UTC: no token is older than the software.
pub const EARLIEST: Wall = Wall::from_millis(1_767_225_600_000);

/// Whether `now` can be right.
pub fn check(now: Wall) -> Finding {
    if now < EARLIEST {
        let text = "it stands before the year 2026, every token is refused: set it, and run a \
                    time daemon";
        return Finding::error("clock", text);
    }
    Finding::ok("clock", "it is set; whether it is right, only a time daemon knows")
}
