//! Weights in the safetensors format.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::checkpoint::safetensors, bytes));
