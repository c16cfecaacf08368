//! What should happen, and when: the VRRP state machine of every router, without IO.
//!
//! > One input, then drain every output, then arm one timer at the deadline.
//!
//! Time is passed in; nothing here reads a clock, opens a socket or waits. Before
//! [`Input::Deadline`] hand over every advert that has arrived, so that a late process sees a
//! living master before it takes over; before the first [`Input::Reload`] hand over every known
//! interface, or routers start in Fault.
mod deadlines;
mod digest;
mod expected;
mod faults;
pub mod history;
pub mod input;
mod links;
mod machine;
pub mod output;
mod reload;
mod router;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod timing;

use crate::config::model::Name;
use deadlines::Deadlines;
use input::{Advert, Heard, Input, LinkState};
use links::Links;
use machine::Event;
use output::Output;
use router::{Context, Router};
use snapshot::RouterSnapshot;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// One process that is late is late for all of its routers, so one remark in this time says it.
const LATE_REMARKS: Duration = Duration::from_secs(10);

/// Routers looked at before their time at once: what is due must not wait for long.
const LOOKED_AT: usize = 1024;

/// Every router of one process.
#[derive(Clone, Default)]
pub struct Engine {
    /// By number.
    routers: Vec<Option<Router>>,
    names: HashMap<Name, RouterId>,
    /// Numbers below `routers.len()` that nobody has.
    free: BTreeSet<RouterId>,
    links: Links,
    deadlines: Deadlines,
    outputs: VecDeque<Output>,
    /// The last generation given to an expectation, of whichever router.
    generations: u32,
    /// A configuration was applied.
    running: bool,
    /// When it was last remarked that deadlines were served late.
    late_since: Option<Instant>,
}

impl Engine {
    /// An engine without routers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one input. `now` must not go backwards, and the outputs of the last input must
    /// have been drained.
    pub fn handle(&mut self, now: Instant, input: Input, heard: &dyn Heard) {
        debug_assert!(self.outputs.is_empty(), "drain the outputs before the next input");
        match input {
            Input::Advert(advert) => self.heard(now, &advert, heard),
            Input::Link { name, state } => self.link(now, name, state, heard),
            Input::Lost { router, address } => self.lost(now, router, address, heard),
            Input::Script { .. } | Input::File { .. } | Input::Processes { .. } => {}
            Input::Missed(router) => {
                self.with(now, router, |router, cx| router.expect_nothing(cx));
            }
            Input::Deadline => self.expire(now, heard),
            Input::Reload(config) => self.reload(now, &config, heard),
            Input::Announce(router) => self.with(now, router, |router, cx| {
                router.announce(cx, router.instance.garp.repeat);
            }),
            Input::Shutdown => self.shutdown(now),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| deadline)
    }

    /// Every router, by number.
    pub fn snapshot(&self) -> Vec<RouterSnapshot> {
        let numbers = 0..u32::try_from(self.routers.len()).unwrap_or(u32::MAX);
        numbers.filter_map(|number| self.router_snapshot(RouterId(number))).collect()
    }

    /// One router.
    pub fn router_snapshot(&self, router: RouterId) -> Option<RouterSnapshot> {
        let found = self.routers.get(router.index())?.as_ref()?;
        Some(found.snapshot(router, &self.links))
    }

    /// The number of the router with this name.
    pub fn find(&self, name: &str) -> Option<RouterId> {
        self.names.get(name).copied()
    }

    fn heard(&mut self, now: Instant, advert: &Advert, heard: &dyn Heard) {
        self.with(now, advert.router, |router, cx| {
            router.catch_up(cx, heard);
            router.step(cx, Event::Advert(advert));
        });
    }

    fn link(&mut self, now: Instant, name: Name, state: LinkState, heard: &dyn Heard) {
        let before = self.links.set(&name, state);
        if before == state {
            return;
        }
        for router in self.links.routers(&name) {
            self.with(now, router, |router, cx| {
                router.catch_up(cx, heard);
                if router::stopped_working(before, state) {
                    router.link_lost(&name);
                }
                router.links_changed(cx);
            });
        }
    }

    fn lost(&mut self, now: Instant, router: RouterId, address: usize, heard: &dyn Heard) {
        self.with(now, router, |router, cx| {
            router.catch_up(cx, heard);
            let instance = router.instance.clone();
            if let Some(vip) = instance.vips().nth(address)
                && !vip.no_track
            {
                router.step(cx, Event::Lost(faults::address_name(vip)));
            }
        });
    }

    fn expire(&mut self, now: Instant, heard: &dyn Heard) {
        let mut late_since = self.late_since;
        let mut horizon = None;
        // Each round moves a deadline past `now`; a period of no length counts as a nanosecond.
        while let Some((deadline, router)) = self.deadlines.first()
            && deadline <= now
        {
            self.with(now, router, |router, cx| {
                router.catch_up(cx, heard);
                horizon = horizon.max(router.horizon(cx));
                if late_since.is_none_or(|since| now > since + LATE_REMARKS)
                    && router.remark_late(cx)
                {
                    late_since = Some(now);
                }
                router.expire(cx);
            });
        }
        self.late_since = late_since;
        if let Some(horizon) = horizon {
            self.look_ahead(now, horizon, heard);
        }
    }

    /// Where one backup turned out to have heard its master, others that would have to look soon have
    /// heard theirs too: to look now spares a wake-up for each. Looking early changes nothing else.
    fn look_ahead(&mut self, now: Instant, horizon: Instant, heard: &dyn Heard) {
        for router in self.deadlines.until(horizon, LOOKED_AT) {
            self.with(now, router, |router, cx| {
                if router.state == snapshot::State::Backup {
                    router.catch_up(cx, heard);
                }
            });
        }
    }

    /// Lets one router act, if there is such a one, and notes its new deadline.
    fn with(
        &mut self,
        now: Instant,
        id: RouterId,
        act: impl FnOnce(&mut Router, &mut Context<'_>),
    ) {
        let Self { routers, links, outputs, generations, deadlines, .. } = self;
        let Some(Some(router)) = routers.get_mut(id.index()) else { return };
        act(router, &mut Context { now, id, links, outputs, generations });
        deadlines.set(id, router.deadline());
    }
}
