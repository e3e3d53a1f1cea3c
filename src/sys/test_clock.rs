//! Clocks that tests step for all processes at once.
//!
//! `KNOCKD_CLOCK` names a file of 16 bytes: nanoseconds that are added to the
//! clock for spans, and milliseconds that are added to civil time, both signed
//! and little-endian. It is mapped, so that a process sees it change from where
//! it cannot open files. Only with the feature `faults`, which no package has;
//! without it the clocks are the system's.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use nix::poll::PollTimeout;

use crate::core::time::{Monotonic, Now, Wall};

static CLOCK: OnceLock<Option<&'static [AtomicI64; 2]>> = OnceLock::new();

/// Maps the file, if there is one; before anything is confined.
#[cfg(feature = "faults")]
pub fn init() {
    use std::num::NonZeroUsize;
    use std::ptr::NonNull;

    use nix::sys::mman::{MapFlags, ProtFlags, mmap};

    CLOCK.get_or_init(|| {
        let file = std::fs::File::open(std::env::var_os("KNOCKD_CLOCK")?).ok()?;
        let length = NonZeroUsize::new(16)?;
        // SAFETY: the address is the kernel's choice, so nothing of ours is
        // mapped over.
        let mapped =
            unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0) };
        let place: NonNull<[AtomicI64; 2]> = mapped.ok()?.cast();
        // SAFETY: sixteen readable bytes, aligned as a page is and never
        // unmapped; atomics may change under us.
        Some(unsafe { place.as_ref() })
    });
}

/// The longest sleep of any process: stepped clocks announce nothing.
#[must_use]
pub fn longest_sleep() -> PollTimeout {
    let is_stepped = CLOCK.get().is_some_and(Option::is_some);
    if is_stepped { PollTimeout::from(20_u8) } else { PollTimeout::NONE }
}

fn offsets() -> [i64; 2] {
    let clock = CLOCK.get().copied().flatten();
    clock.map_or([0; 2], |clock| {
        [clock[0].load(Ordering::Relaxed), clock[1].load(Ordering::Relaxed)]
    })
}

/// The time that the test wants it to be.
#[must_use]
pub fn step(now: Now) -> Now {
    let [nanos, millis] = offsets();
    Now {
        monotonic: Monotonic::from_nanos(now.monotonic.as_nanos().saturating_add_signed(nanos)),
        wall: Wall::from_millis(now.wall.as_millis().saturating_add_signed(millis)),
    }
}

/// The system's name for a moment of [`step`]'s clock.
#[must_use]
pub fn real(moment: Monotonic) -> Monotonic {
    let [nanos, _] = offsets();
    Monotonic::from_nanos(moment.as_nanos().saturating_add_signed(nanos.saturating_neg()))
}
