//! libFuzzer's way into [`tallyline_fuzz::standard_webhook`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallyline_fuzz::standard_webhook(bytes));
