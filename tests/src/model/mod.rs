//! What can become of an election at all: every order of everything, with the real engine.
//!
//! Time is a lattice: an interval is [`Scenario::ticks`] ticks, every skew of the priorities used
//! is whole ticks, packets take whole ticks. So all that can happen makes finitely many states, and
//! the search meets every one: each packet lost or delivered after each delay, in each order with
//! the timers of who gets it, each pause and crash at each tick. A state is the engines' own, told
//! apart by [`xvrrp::engine::Engine::digest`], which counts all times from the present.
//!
//! The search is our own and not a library's because of liveness. General checkers follow single
//! paths and so miss what never ends; here the states after the last fault are a graph, and what
//! must become of it is read off its cycles: a bad state on a cycle, or behind one, is a system
//! that need not settle. Without such, the longest way to the last bad state is the exact worst
//! time it takes to settle.
pub mod graph;
pub mod search;
pub mod world;

use std::time::Duration;
use xvrrp::config::model::Instance;

/// What is searched.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The router of each node, for the same virtual router.
    pub instances: Vec<Instance>,
    /// Ticks of an interval.
    pub ticks: u32,
    /// The least and the most ticks a packet takes.
    pub delay: [u32; 2],
    /// Whether they start one by one, with any time between; else together.
    pub staggered: bool,
    /// What may go wrong.
    pub faults: Faults,
}

/// What may go wrong before the faults stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Packets lost between the beginning and the end of faults; `None` for any number.
    pub losses: Option<u8>,
    /// Pauses of one node at a time; its dataplane goes on.
    pub pauses: u8,
    /// The longest pause, in ticks.
    pub longest_pause: u32,
    /// Processes that die; each may start again.
    pub crashes: u8,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { losses: Some(0), pauses: 0, longest_pause: 0, crashes: 0 };
}

impl Scenario {
    /// The length of a tick.
    pub fn tick(&self) -> Duration {
        self.instances[0].advert_interval / self.ticks
    }
}
