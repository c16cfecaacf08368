//! Is any text too much for the parser?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vrrp_tests::fuzz::config::judge(bytes));
