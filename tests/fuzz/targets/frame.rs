//! Is any frame too much for the packet check?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vrrp_tests::fuzz::frame::judge(bytes));
