//! libFuzzer's way into [`tallyline_fuzz::cron_text`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tallyline_fuzz::cron_text(bytes));
