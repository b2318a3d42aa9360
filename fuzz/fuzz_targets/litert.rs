//! LiteRT files.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::exported::litert, bytes));
