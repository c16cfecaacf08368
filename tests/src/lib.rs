//! The testbed: simulator, namespace lab, capture.
pub mod net_rig;
