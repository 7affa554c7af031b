#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taphouse_fuzz::head(data));
