//! What of an engine decides what it will do, whatever time it is.
//!
//! For searches through everything that can happen: two engines with one digest do the same from
//! then on, each counted from its own present.
use super::Engine;
use super::crowd::Crowd;
use super::faults::World;
use super::input::{Heard, Stamp};
use super::router::{Context, Router, Timers};
use super::snapshot::State;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

impl Engine {
    /// Feeds all of it to `into`, as it is at `now`. What only reports show is left out, and so are
    /// configuration and interfaces: it compares engines for which these are the same and stay so, with
    /// fewer routers than make a crowd.
    pub fn digest(&self, now: Instant, heard: &dyn Heard, into: &mut impl Hasher) {
        self.running.hash(into);
        self.links.digest(now, into);
        self.objects.digest(now, into);
        self.watches.first().map(|at| from(now, at)).hash(into);
        for (router, number) in self.routers.iter().zip(0..) {
            router.is_some().hash(into);
            if let Some(router) = router {
                let id = RouterId(number);
                let stamp = heard.stamp(id);
                // Whether a stamp that moves the timer and nothing else was heard already is all one.
                let mut router = Cow::Borrowed(router);
                if self.watches.watch(id).is_some_and(|watch| watch.due(stamp).is_some()) {
                    let world = World { links: &self.links, objects: &self.objects };
                    let (outputs, generations) = (&mut VecDeque::new(), &mut { self.generations });
                    let crowd = &mut Crowd::default();
                    let mut cx = Context { now, id, world, outputs, generations, crowd };
                    router.to_mut().catch_up(&mut cx, heard);
                }
                router.digest(now, stamp, self.generations, into);
                // When it is looked at next.
                self.deadline_of(id).map(|at| from(now, at)).hash(into);
            }
        }
    }
}

impl Router {
    fn digest(&self, now: Instant, stamp: Stamp, generations: u32, into: &mut impl Hasher) {
        self.state.hash(into);
        self.faults.hash(into);
        self.waits.hash(into);
        self.priority.hash(into);
        self.source.hash(into);
        self.master_interval.hash(into);
        let Timers { main, second_round, refresh, lower, elsewhere } = self.timers;
        for timer in [main, second_round, refresh, lower, elsewhere] {
            timer.map(|at| from(now, at)).hash(into);
        }
        // Whoever becomes a backup sets these anew.
        if self.state == State::Backup {
            from(now, self.heard_at).hash(into);
            self.resigned.hash(into);
            self.ready.hash(into);
            self.followed.hash(into);
            self.patient_until.map(|until| from(now, until)).hash(into);
        }
        let held = self.held_until.filter(|until| now < *until);
        held.map(|until| from(now, until)).hash(into);
        // An answer keeps another from being given for an interval at most.
        let answered = self.answered.filter(|at| now < *at + self.instance.advert_interval);
        answered.map(|at| from(now, at)).hash(into);
        self.expected.digest(now, stamp, generations, into);
    }
}

/// How far `at` is from `now`, before or behind.
pub(super) const fn from(now: Instant, at: Instant) -> u64 {
    at.as_nanos().wrapping_sub(now.as_nanos())
}
