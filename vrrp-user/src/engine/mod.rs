//! What should happen, and when: the VRRP state machine of every router, without IO.
//!
//! > One input, then drain every output, then arm one timer at the deadline.
//!
//! Time is passed in; nothing here reads a clock, opens a socket or waits. Before
//! [`Input::Deadline`] hand over every advert that has arrived, so that a late process sees a
//! living master before it takes over; before the first [`Input::Reload`] hand over every known
//! interface, or routers start in Fault.
mod crowd;
mod deadlines;
mod demote;
mod digest;
mod election;
mod expected;
mod faults;
mod groups;
pub mod history;
pub mod input;
mod links;
mod machine;
pub mod output;
mod reload;
mod router;
pub mod snapshot;
mod snapshots;
#[cfg(test)]
mod tests;
pub mod timing;
mod tracked;
mod tracking;
mod watch;

use crate::config::model::{Config, Name};
use crowd::Crowd;
use deadlines::Deadlines;
use faults::World;
use foldhash::HashMap;
use groups::{Cause, Group};
use input::{Advert, Heard, Input};
use links::{Change, Links};
use machine::Event;
use output::Output;
use router::{Context, Router};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tracked::Objects;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;
use watch::Watches;

/// Every router of one process.
#[derive(Clone, Default)]
pub struct Engine {
    /// By number.
    routers: Vec<Option<Router>>,
    names: HashMap<Name, RouterId>,
    /// Numbers below `routers.len()` that nobody has.
    free: BTreeSet<RouterId>,
    links: Links,
    objects: Objects,
    groups: HashMap<Name, Group>,
    /// Groups one of whose members stands otherwise than before this input, and which.
    unsettled: BTreeMap<Name, Cause>,
    /// Of routers that are not looked at together.
    deadlines: Deadlines,
    watches: Watches,
    outputs: VecDeque<Output>,
    /// The last generation given to an expectation, of whichever router.
    generations: u32,
    /// Those who became master a moment ago.
    crowd: Crowd,
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
            Input::Link { name, state } => {
                let change = self.links.set(now, &name, state);
                self.link_changed(now, &name, change, heard);
            }
            Input::Addresses { name, addresses } => {
                if self.links.set_addresses(&name, addresses) {
                    self.look_at(now, &self.links.routers(&name), heard);
                }
            }
            Input::Lost { router, address } => self.lost(now, router, address, heard),
            Input::Script { name, succeeded } => {
                if self.objects.script(&name, succeeded) {
                    self.look_at(now, &self.objects.of_script(&name), heard);
                }
            }
            Input::File { name, value } => {
                if self.objects.file(&name, value) {
                    self.look_at(now, &self.objects.of_file(&name), heard);
                }
            }
            Input::Processes { name, count } => {
                if self.objects.processes(now, &name, count) {
                    self.look_at(now, &self.objects.of_process(&name), heard);
                }
            }
            Input::Placed { router, placed } => self.with(now, router, |router, cx| {
                router.catch_up(cx, heard);
                router.placed = placed;
                router.look(cx);
            }),
            Input::Missed(router) => {
                self.with(now, router, |router, cx| router.expect_nothing(cx));
            }
            Input::Deadline => self.expire(now, heard),
            Input::Reload(config) => self.reload(now, &config, heard),
            Input::Announce(router) => self.with(now, router, |router, cx| {
                router.announce(cx, router.instance.garp.repeat);
            }),
            Input::Demote { router, hold } => {
                self.with(now, router, |router, cx| {
                    router.catch_up(cx, heard);
                    router.demote(cx, hold);
                });
                self.resign_together();
            }
            Input::Shutdown => self.shutdown(now),
        }
        // At the end, so that what happens to many members at once is one change of their group.
        while let Some((group, cause)) = self.unsettled.pop_first() {
            self.settle(now, &group, cause, heard);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Gives up the room that the outputs of a reload took, when they have been carried out: it is much
    /// more than what thousands of routers ask for at once later.
    pub fn slim(&mut self) {
        self.outputs.shrink_to_fit();
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let router = self.deadlines.first().map(|(deadline, _)| deadline);
        let together = self.watches.first();
        let (links, objects) = (self.links.deadline(), self.objects.deadline());
        [router, together, links, objects].into_iter().flatten().min()
    }

    /// Puts off the deadlines of backups on whose masters the dataplane has heard, as far as they are
    /// due at `now` or looked at with one who is. Nothing else changes, so it may be asked for at any
    /// time: to know that nobody is due, after all, costs far less than to act.
    pub fn look(&mut self, now: Instant, heard: &dyn Heard) {
        let Self { deadlines, watches, .. } = self;
        let mut alone = Vec::new();
        deadlines.due(now, |router| alone.push(router));
        for router in alone {
            match watches.look_again(now, router, heard) {
                (true, _) => deadlines.set(router, None),
                (false, Some(due)) => deadlines.set(router, Some(due)),
                (false, None) => {}
            }
        }
        watches.look(now, heard, |router, due| deadlines.set(router, Some(due)));
    }

    /// The number of the router with this name.
    pub fn find(&self, name: &str) -> Option<RouterId> {
        self.names.get(name).copied()
    }

    /// The check scripts of a configuration, and whether they are good where that is known.
    pub fn scripts(&self, config: &Config) -> Vec<(Name, Option<bool>)> {
        let scripts = config.scripts.iter().map(|script| &script.name);
        scripts.map(|name| (name.clone(), self.objects.script_good(name))).collect()
    }

    fn heard(&mut self, now: Instant, advert: &Advert, heard: &dyn Heard) {
        let before = self.outputs.len();
        let id = advert.router;
        let mut late_since = self.late_since;
        self.with(now, id, |router, cx| {
            router.catch_up(cx, heard);
            router.remark_late(cx, &mut late_since);
            router.step(cx, Event::Advert(advert));
        });
        self.late_since = late_since;
        let lower = Output::LowerHeard { router: id };
        if self.outputs.range(before..).any(|output| *output == lower) {
            // keepalived: whoever took this address took those of the whole group.
            for other in self.others(id) {
                self.with(now, other, Router::undo_lower);
            }
        }
    }

    fn link_changed(&mut self, now: Instant, name: &Name, change: Change, heard: &dyn Heard) {
        let (before, after) = change;
        if before == after {
            return;
        }
        for router in self.links.routers(name) {
            self.with(now, router, |router, cx| {
                router.catch_up(cx, heard);
                if router::stopped_working(before, after) {
                    router.link_lost(name);
                }
                router.look(cx);
            });
        }
    }

    /// Something that these routers track changed.
    fn look_at(&mut self, now: Instant, routers: &[RouterId], heard: &dyn Heard) {
        for router in routers {
            self.with(now, *router, |router, cx| {
                router.catch_up(cx, heard);
                router.look(cx);
            });
        }
    }

    fn lost(&mut self, now: Instant, id: RouterId, address: usize, heard: &dyn Heard) {
        self.with(now, id, |router, cx| {
            router.catch_up(cx, heard);
            let instance = router.instance.clone();
            if let Some(vip) = instance.vips().nth(address)
                && !vip.no_track
            {
                router.step(cx, Event::Lost(faults::address_name(vip)));
            }
        });
        self.resign_together();
    }

    /// keepalived: who gives its mastership away does so with all members of its group.
    fn resign_together(&mut self) {
        for cause in self.unsettled.values_mut() {
            cause.resign = true;
        }
    }

    fn expire(&mut self, now: Instant, heard: &dyn Heard) {
        // First what may keep a router from taking over.
        while let Some((name, change)) = self.links.expire(now) {
            self.link_changed(now, &name, change, heard);
        }
        while let Some(name) = self.objects.expire(now) {
            self.look_at(now, &self.objects.of_process(&name), heard);
        }
        self.look(now, heard);
        let mut late_since = self.late_since;
        // Each round moves a deadline past `now`; a period of no length counts as a nanosecond.
        while let Some((deadline, router)) = self.deadlines.first()
            && deadline <= now
        {
            self.with(now, router, |router, cx| {
                router.catch_up(cx, heard);
                router.remark_late(cx, &mut late_since);
                router.expire(cx);
            });
        }
        self.late_since = late_since;
    }

    /// When a router is looked at next.
    fn deadline_of(&self, router: RouterId) -> Option<Instant> {
        self.watches.of(router).or_else(|| self.deadlines.of(router))
    }

    /// Lets one router act, if there is such a one, and draws the conclusions: its own, or later
    /// those of its group.
    fn with(
        &mut self,
        now: Instant,
        id: RouterId,
        act: impl FnOnce(&mut Router, &mut Context<'_>),
    ) {
        let mut unsettled = None;
        self.act(now, id, |router, cx| {
            let before = router.standing(now);
            act(router, cx);
            match &router.group {
                None => router.settle(cx),
                Some(group) => {
                    unsettled = (router.standing(now) != before).then(|| group.name.clone());
                }
            }
        });
        if let Some(group) = unsettled {
            self.unsettled.entry(group).or_insert(Cause { member: Some(id), resign: false });
        }
    }

    /// Lets one router act, if there is such a one, and notes its new deadline.
    fn act(&mut self, now: Instant, id: RouterId, act: impl FnOnce(&mut Router, &mut Context<'_>)) {
        let Self { routers, links, objects, outputs, generations, crowd, .. } = self;
        let Some(Some(router)) = routers.get_mut(id.index()) else { return };
        let world = World { links, objects };
        act(router, &mut Context { now, id, world, outputs, generations, crowd });
        let deadline = router.deadline();
        let together = self.watches.set(now, id, router.watch(id), deadline);
        self.deadlines.set(id, deadline.filter(|_| !together));
    }
}
