//! What moves the timer of a backup whose master lives, in so few bytes that thousands are looked at
//! in the time one of them would take to act.
//!
//! It says when a router is due, and nothing else: the advert a stamp stands for is heard, with all
//! it does besides, when the router next acts.
use super::expected::Next;
use super::input::Stamp;
use super::router::Router;
use super::snapshot::State;
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Which stamps would set the Active_Down_Timer anew, and to what.
#[derive(Clone, Copy, Default)]
pub(super) struct Watch {
    /// Of the expectation; 0 for none, and then no stamp would.
    generation: u32,
    /// Stamps up to this one were read.
    stamped: Instant,
    /// What came before this is old.
    heard_at: Instant,
    /// Active_Down_Interval after the expected advert.
    down: Duration,
}

impl Watch {
    /// When the router is due after `stamp`, and Active_Down_Interval; nothing where it says nothing.
    pub(super) fn due(&self, stamp: Stamp) -> Option<(Instant, Duration)> {
        let moves = self.generation != 0
            && stamp.generation == self.generation
            && stamp.at > self.stamped
            && stamp.at >= self.heard_at;
        moves.then(|| (stamp.at + self.down, self.down))
    }
}

impl Router {
    /// What stamps would do to its timer and to nothing that others go by: a backup whose timer has
    /// ended holds its group up, and is not among those.
    pub(super) fn watch(&self, id: RouterId) -> Watch {
        let Some(Next { generation, stamped, advert }) =
            self.expected.next(id).filter(|_| self.state == State::Backup && !self.ready)
        else {
            return Watch::default();
        };
        let moves =
            !self.ignores(&advert) && !self.says_again(&advert) && self.refreshes(advert.header);
        if !moves {
            return Watch::default();
        }
        let interval = advert.header.interval();
        Watch { generation, stamped, heard_at: self.heard_at, down: self.silence(interval) }
    }
}
