//! The testbed: simulator, namespace lab, capture.
pub mod frames;
pub mod kernel_rig;
