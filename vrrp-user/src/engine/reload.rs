//! What does a new configuration change, and what does it leave alone.
use super::Engine;
use super::input::Heard;
use super::machine::Event;
use super::output::Output;
use super::router::{Context, Router};
use super::snapshot::State;
use crate::config::model::{Config, Instance, Transport, Vip};
use std::collections::HashMap;
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
        // keepalived: only a process that starts waits.
        let start_at = (!self.running && !config.globals.startup_delay.is_zero())
            .then(|| now + config.globals.startup_delay);
        self.running = true;
        for instance in &config.instances {
            match self.find(&instance.name) {
                Some(id) => self.change(now, id, instance, heard),
                None => self.start(now, instance, start_at),
            }
        }
    }

    /// Stops every router.
    pub(super) fn shutdown(&mut self, now: Instant) {
        for index in 0..self.routers.len() {
            self.stop(now, number(index));
        }
        self.running = false;
    }

    fn start(&mut self, now: Instant, instance: &Arc<Instance>, start_at: Option<Instant>) {
        let id = match self.free.pop_first() {
            Some(id) => id,
            None => {
                self.routers.push(None);
                number(self.routers.len() - 1)
            }
        };
        self.links.watch(id, instance);
        self.names.insert(instance.name.clone(), id);
        self.routers[id.index()] = Some(Router::new(now, instance.clone(), &self.links));
        self.outputs.push_back(Output::Started { router: id, instance: instance.clone() });
        self.with(now, id, |router, cx| {
            router.links_changed(cx);
            match start_at {
                Some(_) => router.timers.main = start_at,
                None => router.step(cx, Event::Startup),
            }
        });
    }

    fn stop(&mut self, now: Instant, id: RouterId) {
        self.with(now, id, |router, cx| router.step(cx, Event::Shutdown));
        let Some(router) = self.routers.get_mut(id.index()).and_then(Option::take) else { return };
        self.deadlines.set(id, None);
        self.links.forget(id, &router.instance);
        self.names.remove(&router.instance.name);
        self.free.insert(id);
        self.outputs.push_back(Output::Stopped { router: id });
    }

    fn change(&mut self, now: Instant, id: RouterId, new: &Arc<Instance>, heard: &dyn Heard) {
        let Some(Some(router)) = self.routers.get_mut(id.index()) else { return };
        if Arc::ptr_eq(&router.instance, new) || router.instance == *new {
            return;
        }
        if (Instance { origin: new.origin.clone(), ..(*router.instance).clone() }) == **new {
            // Only its place in the file changed, which is for reports.
            router.instance = new.clone();
            return;
        }
        self.links.forget(id, &router.instance);
        self.links.watch(id, new);
        self.with(now, id, |router, cx| {
            // What was heard until now was heard under the old rules.
            router.catch_up(cx, heard);
            router.replace_instance(cx, new);
        });
    }
}

impl Router {
    fn replace_instance(&mut self, cx: &mut Context<'_>, new: &Arc<Instance>) {
        let old = std::mem::replace(&mut self.instance, new.clone());
        cx.outputs.push_back(Output::Started { router: cx.id, instance: new.clone() });
        let vips: Vec<Vip> = old.vips().cloned().collect();
        let counts = self.take_prevented();
        self.carry_prevented(&vips, &counts, cx.links);
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
                if !old.vips().eq(new.vips()) || old.routes != new.routes {
                    let announce = garp.repeat;
                    cx.outputs.push_back(Output::Own { router: cx.id, own: true, announce });
                }
            }
            State::Initialize | State::Fault => {
                self.master_interval = self.instance.advert_interval;
            }
        }
        self.links_changed(cx);
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
