//! Memory that LiteRT reads and writes.

use std::{
    alloc::{self, Layout},
    ptr::NonNull,
    slice,
};

/// What LiteRT asks of buffers that it does not allocate itself, in bytes; also enough for every constant of a file.
const ALIGNMENT: usize = 64;
/// XNNPACK's vector code reads beyond the end of what it is given, by less than this many bytes.
const SLACK: usize = 256;

/// Bytes at an address that stays, also where the owner moves.
#[derive(Debug)]
pub struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a `Memory` is the only owner of its bytes, as a `Vec` is.
unsafe impl Send for Memory {}

impl Memory {
    /// Zeros; `None` where there is not enough memory.
    pub fn zeros(length: usize) -> Option<Self> {
        // SAFETY: the layout's size is not zero, because of the slack.
        let start = unsafe { alloc::alloc_zeroed(layout(length)?) };
        NonNull::new(start).map(|start| Self { start, length })
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// For the library, which writes there only while it runs.
    pub(super) fn address(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` are allocated and written; the library writes only in a call that has `&mut Program`,
        // which owns this memory.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nothing else refers to the bytes while `self` is borrowed.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.length) {
            // SAFETY: it was allocated with this layout.
            unsafe { alloc::dealloc(self.start.as_ptr(), layout) };
        }
    }
}

fn layout(length: usize) -> Option<Layout> {
    Layout::from_size_align(length.checked_add(SLACK)?, ALIGNMENT).ok()
}
