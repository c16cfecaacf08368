//! Who is told of transitions.
pub mod fifo;
