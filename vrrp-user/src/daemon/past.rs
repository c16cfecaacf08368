//! What happened lately: the last transitions, and in which buckets it is counted how long things took.
use crate::config::model::Name;
use crate::engine::output::Why;
use crate::engine::snapshot::State;
use std::collections::VecDeque;
use vrrp_common::ident::Priority;
use vrrp_common::time::Instant;

/// Transitions that are remembered.
pub const MOST: usize = 1000;

/// One change of state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// Of which instance.
    pub instance: Name,
    /// From this state.
    pub from: State,
    /// To this one.
    pub to: State,
    /// Effective priority.
    pub priority: Priority,
    /// Why.
    pub why: Why,
}

/// The last transitions of all routers, oldest first.
#[derive(Debug, Default)]
pub struct Ring(VecDeque<Transition>);

impl Ring {
    /// One more; the oldest makes room for it.
    pub fn push(&mut self, transition: Transition) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(transition);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Transition> {
        self.0.iter().cloned().collect()
    }
}

const MS: u64 = 1_000_000;

/// For the time from the last word of a master to the first one of its successor.
pub const TAKEOVER: &[u64] = &[
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    1000 * MS,
    2500 * MS,
    4000 * MS,
    10_000 * MS,
    60_000 * MS,
];

/// For how late timers are served.
pub const LATENESS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    MS,
    2_500_000,
    5 * MS,
    10 * MS,
    50 * MS,
    250 * MS,
    1000 * MS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut ring = Ring::default();
        for nanos in 0..MOST as u64 + 5 {
            ring.push(Transition {
                at: Instant::from_nanos(nanos),
                instance: "V".into(),
                from: State::Backup,
                to: State::Active,
                priority: Priority(100),
                why: Why::MasterDown,
            });
        }
        let all = ring.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0].at, Instant::from_nanos(5));
    }
}
