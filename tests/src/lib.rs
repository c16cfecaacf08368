//! The testbed: simulator, namespace lab, capture.
pub mod sim;
