//! An allocator that counts what each thread holds, so that tests can say
//! how much memory something takes.
// Where the system has no thread locals of its own, the lint misses the `const`.
#![allow(clippy::missing_const_for_thread_local)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count.
pub struct Counting;

/// What an allocator takes for `layout`: 16 bytes beside or around it.
fn cost(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16)
}

// SAFETY: all is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + cost(layout);
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(cost(layout)));
        // SAFETY: `pointer` came from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Bytes that this thread holds.
pub fn held() -> usize {
    HELD.get()
}

/// The most bytes that this thread held since the last [`forget_peak`].
pub fn peak() -> usize {
    PEAK.get()
}

/// The peak is what is held now.
pub fn forget_peak() {
    PEAK.set(HELD.get());
}

/// How often this thread asked for memory.
pub fn calls() -> usize {
    CALLS.get()
}
