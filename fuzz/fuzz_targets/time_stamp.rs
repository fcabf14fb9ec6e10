//! libFuzzer's way into [`tallyline_fuzz::time_stamp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallyline_fuzz::time_stamp(bytes));
