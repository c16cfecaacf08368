//! Which routes have to be added and removed so that the kernel has those that are wanted.
use super::change::{Change, Operation, Outcome, Path, Refusal, alongside};
use super::table::Table;
use super::task::Presence;
use crate::config::model::{Instance, Route};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use vrrp_common::ident::RouterId;

#[derive(Clone, Debug)]
struct Item {
    route: Route,
    presence: Presence,
    /// Adding it was tried since the router took over.
    tried: bool,
}

#[derive(Debug)]
struct Owner {
    own: bool,
    no_repair: bool,
    items: Vec<Item>,
}

/// Routes of every router.
#[derive(Default, Debug)]
pub(crate) struct Routes {
    owners: BTreeMap<RouterId, Owner>,
    /// Routes nobody has any more, to be removed where they are present.
    orphans: Vec<Route>,
    /// Routes being added, and for whom.
    asked: BTreeMap<Path, Vec<(RouterId, usize)>>,
    look: bool,
    stale: bool,
}

/// What has to be true of links before a route can be added.
enum Possible {
    Now(Path, Presence),
    Later(Presence),
}

impl Routes {
    pub(crate) fn set(&mut self, id: RouterId, instance: &Instance, own: bool) {
        let former = self.owners.remove(&id).map(|owner| owner.items).unwrap_or_default();
        let kept = |route: &Route| former.iter().find(|item| item.route == *route).cloned();
        let items: Vec<Item> = instance
            .routes
            .iter()
            .map(|route| {
                let fresh =
                    || Item { route: route.clone(), presence: Presence::Absent, tried: false };
                kept(route).unwrap_or_else(fresh)
            })
            .collect();
        let gone = former.into_iter().map(|item| item.route);
        self.orphans.extend(gone.filter(|route| !instance.routes.contains(route)));
        self.owners.insert(id, Owner { own, no_repair: instance.no_repair, items });
        self.look = true;
    }

    pub(crate) fn forget(&mut self, id: RouterId) {
        if let Some(owner) = self.owners.remove(&id) {
            self.orphans.extend(owner.items.into_iter().map(|item| item.route));
            self.look = true;
        }
    }

    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        if let Some(owner) = self.owners.get_mut(&id) {
            owner.own = own;
            for item in &mut owner.items {
                item.tried = false;
            }
            self.look = true;
        }
    }

    /// Something changed that may make possible what was not.
    pub(crate) fn look_again(&mut self) {
        self.look = true;
    }

    /// The kernel may have dropped routes without a word, as it does when a link goes down.
    pub(crate) fn mark_stale(&mut self) {
        self.stale = !self.is_empty();
    }

    pub(crate) fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.stale)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orphans.is_empty() && self.owners.values().all(|owner| owner.items.is_empty())
    }

    pub(crate) fn report(&self, id: RouterId) -> Vec<Presence> {
        let items = self.owners.get(&id).map(|owner| owner.items.as_slice()).unwrap_or_default();
        items.iter().map(|item| item.presence.clone()).collect()
    }

    /// What has to be removed, before addresses change, and added, after they did: a route needs its
    /// preferred source.
    pub(crate) fn plan(
        &mut self,
        table: &Table,
        touched: &mut BTreeSet<RouterId>,
    ) -> (Vec<Operation>, Vec<Operation>) {
        if !std::mem::take(&mut self.look) {
            return (Vec::new(), Vec::new());
        }
        let mut wanted = BTreeSet::new();
        let mut unwanted = std::mem::take(&mut self.orphans);
        // In the order of the file: one may be the way to the gateway of the next.
        let mut adds = Vec::new();
        self.asked.clear();
        for (id, owner) in &mut self.owners {
            for (number, item) in owner.items.iter_mut().enumerate() {
                if !owner.own {
                    unwanted.push(item.route.clone());
                    item.settle(Presence::Absent, *id, touched);
                    continue;
                }
                let (path, there) = match possible(&item.route, table) {
                    Possible::Later(presence) => {
                        item.tried |= owner.no_repair;
                        item.settle(presence, *id, touched);
                        continue;
                    }
                    Possible::Now(path, there) => (path, there),
                };
                wanted.insert(path);
                if alongside(table.routes(), &path).any(|actual| path.is(actual)) {
                    item.settle(there, *id, touched);
                } else if !(item.tried && owner.no_repair) {
                    item.tried = true;
                    let asked = self.asked.entry(path).or_default();
                    if asked.is_empty() {
                        adds.push(Operation::AddRoute(path));
                    }
                    asked.push((*id, number));
                } else {
                    item.settle(Presence::Absent, *id, touched);
                }
            }
        }
        let mut removes = BTreeSet::new();
        for route in unwanted {
            let Possible::Now(path, _) = possible(&route, table) else { continue };
            removes.extend(alongside(table.routes(), &path).filter(|actual| path.is(actual)));
        }
        removes.retain(|actual| !alongside(&wanted, actual).any(|path| path.is(actual)));
        (removes.into_iter().map(Operation::DeleteRoute).collect(), adds)
    }

    /// What became of adding or removing a route.
    pub(crate) fn done(
        &mut self,
        path: &Path,
        added: bool,
        outcome: Outcome,
        table: &mut Table,
        touched: &mut BTreeSet<RouterId>,
    ) {
        if !added {
            let gone = |refusal: &Refusal| matches!(refusal.errno, Errno::SRCH | Errno::NODEV);
            if outcome.as_ref().map_or_else(gone, |()| true) {
                table.apply(Change::RouteGone(*path));
            }
            return;
        }
        if outcome.is_ok() && !alongside(table.routes(), path).any(|actual| path.is(actual)) {
            table.apply(Change::Route(*path));
        }
        // Perhaps it is the way to the gateway of one that was refused.
        self.look |= outcome.is_ok();
        for (id, number) in self.asked.remove(path).unwrap_or_default() {
            let Some(owner) = self.owners.get_mut(&id) else { continue };
            let Some(item) = owner.items.get_mut(number) else { continue };
            let presence = match &outcome {
                Ok(()) => match possible(&item.route, table) {
                    Possible::Now(_, presence) | Possible::Later(presence) => presence,
                },
                Err(refusal) => match refusal.errno {
                    Errno::EXIST => {
                        Presence::Failed("another route to this destination exists".into())
                    }
                    Errno::NETDOWN => Presence::PendingLinkDown,
                    Errno::NODEV => Presence::PendingNoDevice,
                    _ => Presence::Failed(refusal.to_string()),
                },
            };
            item.settle(presence, id, touched);
        }
    }
}

impl Item {
    fn settle(&mut self, presence: Presence, id: RouterId, touched: &mut BTreeSet<RouterId>) {
        if self.presence != presence {
            self.presence = presence;
            touched.insert(id);
        }
    }
}

fn possible(route: &Route, table: &Table) -> Possible {
    let device = match &route.dev {
        Some(dev) => match table.device(dev) {
            Some(device) if !device.admin_up => return Possible::Later(Presence::PendingLinkDown),
            Some(device) => Some(device),
            None => return Possible::Later(Presence::PendingNoDevice),
        },
        None => None,
    };
    let path = Path {
        table: route.table,
        destination: route.destination,
        prefix: route.prefix,
        via: route.via,
        ifindex: device.map(|device| device.ifindex),
        source: route.source,
        metric: route.metric.unwrap_or(0),
        scope: route.scope,
    };
    let working = device.is_none_or(|device| device.up);
    Possible::Now(path, if working { Presence::Present } else { Presence::PendingLinkDown })
}
