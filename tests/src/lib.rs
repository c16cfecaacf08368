//! The testbed: simulator, frames, the kernel's rig, the namespace lab, and the gate before tests that
//! need root.
pub mod bench;
pub mod frames;
pub mod fuzz;
pub mod gate;
pub mod kernel_rig;
pub mod lab;
pub mod model;
pub mod net_rig;
pub mod sim;
