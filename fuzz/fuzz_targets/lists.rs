//! Lists of images, labels and class names.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::data_set::lists, bytes));
