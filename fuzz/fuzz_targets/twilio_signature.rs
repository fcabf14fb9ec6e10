//! libFuzzer's way into [`tallyline_fuzz::twilio_signature`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallyline_fuzz::twilio_signature(bytes));
