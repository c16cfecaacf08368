//! What does a new configuration change, and what does it leave alone.
use super::Engine;
use super::faults::World;
use super::groups::{Cause, Group};
use super::input::Heard;
use super::machine::Event;
use super::output::Output;
use super::router::{Context, Router};
use super::snapshot::State;
use super::tracking::Tracking;
use crate::config::model::{Config, Instance, Name, Transport, Vip};
use crate::config::tracked::SyncGroup;
use foldhash::{HashMap, HashMapExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use vrrp_common::ident::{RouterId, Version};
use vrrp_common::time::Instant;

impl Engine {
    /// Stops what is gone, changes in place what may stay, starts what is new.
    pub(super) fn reload(&mut self, now: Instant, config: &Config, heard: &dyn Heard) {
        let wanted: HashMap<&str, &Arc<Instance>> =
            config.instances.iter().map(|instance| (&*instance.name, instance)).collect();
        // All stops come before all starts: two instances may have exchanged their VRIDs.
        for index in 0..self.routers.len() {
            let Some(router) = &self.routers[index] else { continue };
            let stays = wanted
                .get(&*router.instance.name)
                .is_some_and(|instance| same_router(&router.instance, instance));
            if !stays {
                self.stop(now, number(index));
            }
        }
        // Before a shorter delay of a link puts one of them into FAULT.
        let members = config.groups.iter().flat_map(|group| &group.members);
        let ran: BTreeSet<RouterId> = members
            .filter_map(|member| self.find(member))
            .filter(|id| self.routers[id.index()].as_ref().is_some_and(Router::runs))
            .collect();
        // keepalived: only a process that starts waits.
        let start_at = (!self.running && !config.globals.startup_delay.is_zero())
            .then(|| now + config.globals.startup_delay);
        self.running = true;
        self.objects.load(config);
        self.links.set_delays(now, &config.link_delays);
        while let Some((name, change)) = self.links.expire(now) {
            self.link_changed(now, &name, change, heard);
        }
        let mut groups: HashMap<&Name, &Arc<SyncGroup>> = HashMap::new();
        for group in &config.groups {
            groups.extend(group.members.iter().map(|member| (member, group)));
        }
        for instance in &config.instances {
            let group = groups.get(&instance.name).copied();
            match self.find(&instance.name) {
                Some(id) => self.change(now, id, instance, group, heard),
                None => self.start(now, instance, group, start_at),
            }
        }
        self.regroup(now, config, &ran);
    }

    /// Stops every router.
    pub(super) fn shutdown(&mut self, now: Instant) {
        for index in 0..self.routers.len() {
            self.stop(now, number(index));
        }
        self.groups.clear();
        self.unsettled.clear();
        self.running = false;
    }

    fn start(
        &mut self,
        now: Instant,
        instance: &Arc<Instance>,
        group: Option<&Arc<SyncGroup>>,
        start_at: Option<Instant>,
    ) {
        let id = match self.free.pop_first() {
            Some(id) => id,
            None => {
                self.routers.push(None);
                number(self.routers.len() - 1)
            }
        };
        let tracking = Tracking { instance, group: group.map(Arc::as_ref) };
        self.links.watch(id, tracking);
        self.objects.watch(id, tracking);
        self.names.insert(instance.name.clone(), id);
        let world = World { links: &self.links, objects: &self.objects };
        let router = Router::new(now, instance.clone(), group.cloned(), world);
        self.routers[id.index()] = Some(router);
        self.outputs.push_back(Output::Started { router: id, instance: instance.clone() });
        self.with(now, id, |router, cx| {
            router.look(cx);
            router.timers.main = start_at;
        });
    }

    fn stop(&mut self, now: Instant, id: RouterId) {
        self.act(now, id, |router, cx| router.step(cx, Event::Shutdown));
        let Some(router) = self.routers.get_mut(id.index()).and_then(Option::take) else { return };
        self.deadlines.set(id, None);
        self.watches.set(now, id, None, None);
        self.links.forget(id, router.tracking());
        self.objects.forget(id, router.tracking());
        self.names.remove(&router.instance.name);
        self.free.insert(id);
        self.outputs.push_back(Output::Stopped { router: id });
    }

    fn change(
        &mut self,
        now: Instant,
        id: RouterId,
        new: &Arc<Instance>,
        group: Option<&Arc<SyncGroup>>,
        heard: &dyn Heard,
    ) {
        let Some(Some(router)) = self.routers.get_mut(id.index()) else { return };
        let origin = new.origin.clone();
        let same = Arc::ptr_eq(&router.instance, new)
            || router.instance == *new
            // Only its place in the file changed, which is for reports.
            || (Instance { origin, ..(*router.instance).clone() }) == **new;
        let old = router.tracking();
        if !same || old.group != group.map(Arc::as_ref) {
            self.links.forget(id, old);
            self.objects.forget(id, old);
            let tracking = Tracking { instance: new, group: group.map(Arc::as_ref) };
            self.links.watch(id, tracking);
            self.objects.watch(id, tracking);
        }
        self.with(now, id, |router, cx| {
            // What was heard until now was heard under the old rules.
            router.catch_up(cx, heard);
            router.group = group.cloned();
            if same {
                router.instance = new.clone();
            } else {
                router.replace_instance(cx, new);
            }
            router.look(cx);
        });
    }

    /// Makes the groups those of the configuration, and has each looked at.
    fn regroup(&mut self, now: Instant, config: &Config, ran: &BTreeSet<RouterId>) {
        let mut old = std::mem::take(&mut self.groups);
        self.unsettled.clear();
        for new in &config.groups {
            let members: Arc<[RouterId]> =
                new.members.iter().filter_map(|member| self.find(member)).collect();
            // Who joins a group that runs runs with it, as a script that is new to a router that
            // runs does not stop it.
            if members.iter().any(|id| ran.contains(id)) {
                for id in &*members {
                    self.act(now, *id, |router, cx| {
                        if std::mem::take(&mut router.waits) {
                            router.look(cx);
                        }
                    });
                }
            }
            let group = match old.remove(&new.name) {
                Some(group) => group.change(new.clone(), members),
                None => Group::new(now, new.clone(), members),
            };
            self.groups.insert(new.name.clone(), group);
            self.unsettled.insert(new.name.clone(), Cause::NONE);
        }
    }
}

impl Router {
    fn replace_instance(&mut self, cx: &mut Context<'_>, new: &Arc<Instance>) {
        let old = std::mem::replace(&mut self.instance, new.clone());
        cx.outputs.push_back(Output::Started { router: cx.id, instance: new.clone() });
        let vips: Vec<Vip> = old.vips().cloned().collect();
        let counts = self.take_prevented();
        self.carry_prevented(&vips, &counts, cx.world);
        // Counted from the first lower advert, as it is.
        let (before, after) = (old.preempt_delay, self.instance.preempt_delay);
        self.patient_until =
            self.patient_until.filter(|_| !after.is_zero()).map(|until| until - before + after);
        match self.state {
            State::Backup => {
                // Version 2 takes no other interval than ours; version 3 follows the master's.
                if self.instance.version == Version::V2 || self.master.is_none() {
                    self.master_interval = self.instance.advert_interval;
                }
                self.rules_changed(cx);
                // What was expected was judged by the old rules: its list, its interval, whether it
                // is used at all.
                self.expect_nothing(cx);
            }
            State::Active => {
                let garp = self.instance.garp;
                self.master_interval = self.instance.advert_interval;
                let latest = cx.now + self.instance.advert_interval;
                self.timers.main = self.timers.main.map(|main| main.min(latest));
                if garp.refresh != old.garp.refresh {
                    self.timers.refresh = (!garp.refresh.is_zero()).then(|| cx.now + garp.refresh);
                }
                if garp.elsewhere != old.garp.elsewhere {
                    let period = garp.elsewhere;
                    self.timers.elsewhere = (!period.is_zero()).then(|| cx.now + period);
                }
                // What it owns from now on was said with its new configuration: what is new of that
                // is announced, and what stays is not.
            }
            State::Initialize | State::Fault => {
                self.master_interval = self.instance.advert_interval;
            }
        }
    }

    /// It is backup or master.
    fn runs(&self) -> bool {
        matches!(self.state, State::Backup | State::Active)
    }
}

/// Whether two configurations are of the same virtual router, so that its state may stay.
fn same_router(old: &Instance, new: &Instance) -> bool {
    let same_transport = match (&old.transport, &new.transport) {
        (Transport::Multicast { group: old }, Transport::Multicast { group: new }) => old == new,
        // Peers come and go without an election.
        (Transport::Unicast { .. }, Transport::Unicast { .. }) => true,
        (Transport::Multicast { .. }, Transport::Unicast { .. })
        | (Transport::Unicast { .. }, Transport::Multicast { .. }) => false,
    };
    same_transport
        && old.vrid == new.vrid
        && old.interface == new.interface
        && old.family == new.family
        && old.version == new.version
}

/// The number of the router at `index`. There is memory for fewer than 2^32 routers.
fn number(index: usize) -> RouterId {
    RouterId(u32::try_from(index).unwrap_or(u32::MAX))
}
