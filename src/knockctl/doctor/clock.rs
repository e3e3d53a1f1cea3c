//! Whether the clock is plausible.
#![forbid(unsafe_code)]

use crate::core::finding::Finding;
use crate::core::time::Wall;

/// 2026-01-01 00:00:00 UTC: no token is older than the software.
pub const EARLIEST: Wall = Wall::from_millis(1_767_225_600_000);

/// Checks that `now` is not before [`EARLIEST`].
pub fn check(now: Wall) -> Finding {
    if now < EARLIEST {
        let text = "before the year 2026, every token is refused: set the clock, and run a time \
                    daemon";
        return Finding::error("clock", text);
    }
    Finding::ok("clock", "after 2025; only a time daemon keeps it right")
}
