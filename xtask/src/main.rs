//! Set up, run, try, test and package xvrrp.
fn main() {}
