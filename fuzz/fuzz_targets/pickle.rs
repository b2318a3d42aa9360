//! Weights that `torch.save` wrote.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::checkpoint::pickle, bytes));
