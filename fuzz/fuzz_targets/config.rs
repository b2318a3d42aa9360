//! Configurations in YAML.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::hold(fuzz::config::config, bytes));
