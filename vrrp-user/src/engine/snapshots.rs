//! How does the engine copy what it knows for reports.
use super::Engine;
use super::faults::{self, World};
use super::router::Router;
use super::snapshot::{Fault, Known, Reason, RouterSnapshot, State};
use crate::config::model::Name;
use std::collections::BTreeSet;
use vrrp_common::ident::RouterId;

impl Engine {
    /// Every router, by number.
    pub fn snapshot(&self) -> Vec<RouterSnapshot> {
        let numbers = 0..u32::try_from(self.routers.len()).unwrap_or(u32::MAX);
        numbers.filter_map(|number| self.router_snapshot(RouterId(number))).collect()
    }

    /// One router.
    pub fn router_snapshot(&self, router: RouterId) -> Option<RouterSnapshot> {
        let found = self.routers.get(router.index())?.as_ref()?;
        let group = found.group.as_ref().and_then(|group| self.groups.get(&group.name));
        let mut snapshot = found.snapshot(router, self.world());
        let others = group.into_iter().flat_map(|group| &group.faulty);
        for member in others.filter(|member| **member != found.instance.name) {
            let fault = Fault { reason: Reason::Member, object: member.clone() };
            if let Some(faults) = self.own_faults(member) {
                snapshot.known.push((fault.clone(), Known::Member(faults)));
            }
            snapshot.faults.insert(fault);
        }
        // That of a backup may have been put off since it last acted.
        snapshot.deadline = self.deadline_of(router);
        let starts = found.state == State::Initialize && found.timers.main.is_none();
        snapshot.waits = starts && !snapshot.faults.is_empty();
        Some(snapshot)
    }

    fn own_faults(&self, name: &Name) -> Option<BTreeSet<Fault>> {
        let id = self.find(name)?;
        self.routers.get(id.index())?.as_ref().map(|router| router.faults.clone())
    }

    fn world(&self) -> World<'_> {
        World { links: &self.links, objects: &self.objects }
    }
}

impl Router {
    fn snapshot(&self, id: RouterId, world: World<'_>) -> RouterSnapshot {
        let mut prevented = self.prevented.clone();
        prevented.resize(self.instance.vips().count(), 0);
        let objects = world.objects;
        let known = self.faults.iter().filter_map(|fault| {
            let known = match fault.reason {
                Reason::Script => objects.known_script(&fault.object),
                Reason::File => objects.known_file(&fault.object),
                Reason::Process => objects.known_process(&fault.object),
                Reason::Interface
                | Reason::NoSource
                | Reason::Dataplane
                | Reason::TrackedInterface
                | Reason::AddressInterface
                | Reason::RouteInterface
                | Reason::RuleInterface
                | Reason::StaticInterface
                | Reason::SourceMissing
                | Reason::Awaited
                | Reason::Member => None,
            }?;
            Some((fault.clone(), known))
        });
        RouterSnapshot {
            id,
            instance: self.instance.clone(),
            state: self.state,
            since: self.since,
            faults: self.faults.clone(),
            known: known.collect(),
            waits: false,
            group: self.group.as_ref().map(|group| group.name.clone()),
            ready: self.ready,
            effective_priority: self.priority,
            weights: faults::weights(self.tracking(), world).collect(),
            source: self.source,
            master: self.master,
            master_priority: self.master_priority,
            master_interval: self.master_interval,
            skew: self.skew(),
            down_interval: self.down_interval(),
            deadline: self.deadline(),
            held_until: self.held_until,
            adverts_sent: self.counts.adverts_sent,
            priority_zero_sent: self.counts.priority_zero_sent,
            became_master: self.counts.became_master,
            released_master: self.counts.released_master,
            history: self.history,
            prevented,
        }
    }
}
