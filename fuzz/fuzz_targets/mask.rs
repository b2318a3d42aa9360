//! PNG files as masks.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::data_set::mask, bytes));
