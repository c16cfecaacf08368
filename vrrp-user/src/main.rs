//! The `xvrrp` binary.

fn main() {}
