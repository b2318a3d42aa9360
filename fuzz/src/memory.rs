//! How much memory a reader uses, counted at the allocator, and the bound that it must keep.
//!
//! Each thread counts its own memory. Libraries in C++ (OpenCV, libtorch) use another allocator and are not counted.
#![allow(unsafe_code, reason = "a global allocator needs it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: usize) {
    CURRENT.set(CURRENT.get().saturating_add(bytes));
    PEAK.set(PEAK.get().max(CURRENT.get()));
}

fn discount(bytes: usize) {
    CURRENT.set(CURRENT.get().saturating_sub(bytes));
}

// SAFETY: every call is the system allocator's own; the counters need no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        discount(layout.size());
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist while one is copied to the other.
        count(size);
        discount(layout.size());
        unsafe { System.realloc(place, layout, size) }
    }
}

/// The bytes that a reader may hold at once: `fixed + times * length of the file`.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// For any file.
    pub fixed: usize,
    /// For each byte of the file.
    pub times: usize,
}

impl Bound {
    /// Runs `work` on a file of `length` bytes.
    ///
    /// # Panics
    /// Where this thread holds more at any time meanwhile.
    pub fn hold<T>(self, length: usize, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.get();
        PEAK.set(before);
        let done = work();
        let (most, bound) = (PEAK.get().saturating_sub(before), self.fixed + self.times * length);
        assert!(most <= bound, "{most} bytes of memory for a file of {length}; the bound is {bound}");
        done
    }
}
