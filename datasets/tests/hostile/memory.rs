//! How much memory a reader asks for, counted at the allocator: what a bound is held against.
//!
//! Each thread counts its own. Libraries in C++ (OpenCV, libtorch) have another allocator and are not seen here.
#![allow(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn took(bytes: usize) {
    HELD.set(HELD.get().saturating_add(bytes));
    MOST.set(MOST.get().max(HELD.get()));
}

fn gave_back(bytes: usize) {
    HELD.set(HELD.get().saturating_sub(bytes));
}

// SAFETY: every call is the system allocator's own; the counters need no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        gave_back(layout.size());
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be there while one is copied to the other.
        took(size);
        gave_back(layout.size());
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What a reader may hold at once: a fixed number of bytes, and so many for each byte of the file.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Whatever the file is.
    pub fixed: usize,
    /// For each of its bytes.
    pub times: usize,
}

impl Bound {
    /// Runs `work` on a file of `length` bytes.
    ///
    /// # Panics
    /// Where this thread held more at any time in between.
    pub fn hold<T>(self, length: usize, work: impl FnOnce() -> T) -> T {
        let before = HELD.get();
        MOST.set(before);
        let done = work();
        let (most, bound) = (MOST.get().saturating_sub(before), self.fixed + self.times * length);
        assert!(most <= bound, "{most} bytes of memory for a file of {length}; {bound} are the bound");
        done
    }
}
