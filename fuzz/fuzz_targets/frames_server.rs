#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taphouse_fuzz::frames_server(data));
