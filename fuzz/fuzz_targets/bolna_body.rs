//! libFuzzer's way into [`tallyline_fuzz::bolna_body`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallyline_fuzz::bolna_body(bytes));
