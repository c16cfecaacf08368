//! Is any sequence of inputs too much for the engine?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vrrp_tests::fuzz::engine_trace::judge(bytes));
