//! The testbed: the namespace lab, and the gate before tests that need root.
pub mod gate;
pub mod lab;
