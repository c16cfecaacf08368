//! How does an operator take the mastership from a router, and when may it have it again?
use super::output::Why;
use super::router::{Context, Router};
use super::snapshot::State;
use std::time::Duration;
use vrrp_common::time::Instant;

impl Router {
    /// Hands over, and lets others be master for `hold`: as if `nopreempt` were configured, for the
    /// owner of the addresses too. Being without a master is not what it is for, so one that falls
    /// silent is replaced at once.
    pub(super) fn demote(&mut self, cx: &mut Context<'_>, hold: Duration) {
        match self.state {
            State::Active => {
                self.resign(cx);
                self.become_backup(cx, Why::Demoted);
                // Who asks waits for the next one.
                self.master = None;
                self.master_priority = None;
            }
            State::Backup if self.lower_heard => {
                // It was about to preempt.
                self.lower_heard = false;
                self.ready = false;
                self.heard_at = cx.now;
                self.set_down_timer();
            }
            State::Backup | State::Initialize | State::Fault => {}
        }
        self.held_until = (!hold.is_zero()).then(|| cx.now + hold);
    }

    /// Whether an operator wants others to be master at this moment.
    pub(super) fn is_held(&self, at: Instant) -> bool {
        self.held_until.is_some_and(|until| at < until)
    }
}
