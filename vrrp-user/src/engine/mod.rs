//! What should happen, and when: the VRRP state machine of every router, without IO.
//!
//! > One input, then drain every output, then arm one timer at the deadline.
//!
//! Time is passed in; nothing here reads a clock, opens a socket or waits.
pub mod input;
pub mod output;
pub mod snapshot;
