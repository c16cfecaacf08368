//! Which routes have to be added and removed so that the kernel has those that are wanted.
use super::change::{Change, Operation, Outcome, Refusal, Told};
use super::owners::Owners;
use super::path::{Head, Path, Possible, every, possible};
use super::routing::Repair;
use super::table::Table;
use super::task::Presence;
use crate::config::model::{Instance, Route};
use crate::config::routing::{Order, PROTOCOL};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use vrrp_common::ident::RouterId;

/// Routes of every router.
#[derive(Default, Debug)]
pub(crate) struct Routes {
    owners: Owners<Route>,
    /// Routes nobody has any more, to be removed where they are present.
    orphans: Vec<Route>,
    /// Routes being added, and for whom.
    asked: BTreeMap<Path, Vec<(RouterId, usize)>>,
    /// Where the routes that matter lead.
    heads: BTreeSet<Head>,
    /// What they are marked with.
    protocols: BTreeSet<u8>,
    /// These two have to be made anew.
    outdated: bool,
}

impl Routes {
    pub(crate) fn set(&mut self, id: RouterId, instance: &Instance, own: bool) {
        let wanted = instance.routes.iter().cloned();
        self.orphans.extend(self.owners.set(id, (own, instance.no_repair), wanted));
        self.outdated = true;
    }

    pub(crate) fn forget(&mut self, id: RouterId) {
        self.orphans.extend(self.owners.forget(id));
    }

    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        self.owners.own(id, own);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orphans.is_empty() && self.owners.is_empty()
    }

    pub(crate) fn report(&self, id: RouterId) -> Vec<Presence> {
        self.owners.report(id)
    }

    /// Whether a route leads where one that matters does.
    pub(crate) fn leads(&self, head: &Head) -> bool {
        self.heads.contains(head)
    }

    /// Whether what the kernel tells of a route matters.
    pub(crate) fn concerns(&self, path: &Path) -> bool {
        self.protocols.contains(&path.protocol) && self.leads(&path.head)
    }

    /// What the routes that matter are marked with.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = u8> {
        self.protocols.iter().copied()
    }

    /// Notes which routes matter from now on. Says whether there are some the kernel has not been asked
    /// for.
    pub(crate) fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.outdated) {
            return false;
        }
        let routes: Vec<&Route> = self.owners.wanted().chain(&self.orphans).collect();
        let heads: BTreeSet<Head> = routes.iter().map(|route| Head::of(route)).collect();
        let protocols: BTreeSet<u8> =
            routes.iter().map(|route| route.protocol.unwrap_or(PROTOCOL)).collect();
        let more = !heads.is_subset(&self.heads) || !protocols.is_subset(&self.protocols);
        (self.heads, self.protocols) = (heads, protocols);
        more
    }

    /// What has to be removed and added.
    pub(crate) fn plan(
        &mut self,
        table: &Table,
        allows: &mut impl FnMut(Repair) -> bool,
        touched: &mut BTreeSet<RouterId>,
    ) -> (Vec<Operation>, Vec<Operation>) {
        let mut wanted: BTreeMap<Head, Vec<Path>> = BTreeMap::new();
        let mut unwanted = std::mem::take(&mut self.orphans);
        self.outdated |= !unwanted.is_empty();
        // In the order of the file: one may be the way to the gateway of the next.
        let mut adds = Vec::new();
        let mut removes = BTreeSet::new();
        self.asked.clear();
        for (id, owner) in self.owners.iter_mut() {
            for (number, item) in owner.items.iter_mut().enumerate() {
                if !owner.own {
                    unwanted.push(item.what.clone());
                    item.settle(Presence::Absent, id, touched);
                    continue;
                }
                let (path, there) = match possible(&item.what, table) {
                    Possible::Later(presence) => {
                        item.tried |= owner.no_repair;
                        item.settle(presence, id, touched);
                        continue;
                    }
                    Possible::Now(path, there) => (path, there),
                };
                let present = table.routes(&path.head);
                // One the kernel has dropped in time is not to come back.
                let once = owner.no_repair || item.what.expires.is_some();
                if present.iter().any(|actual| path.is(actual)) {
                    item.settle(there, id, touched);
                } else if !item.tried || !once && allows(Repair::Route(path.clone())) {
                    item.tried = true;
                    // What is left of it, without the ways that came back.
                    removes.extend(present.iter().filter(|actual| path.covers(actual)).cloned());
                    let asked = self.asked.entry(path.clone()).or_default();
                    if asked.is_empty() {
                        adds.push(Operation::AddRoute(path.clone()));
                    }
                    asked.push((id, number));
                } else {
                    item.wait(id, touched);
                }
                wanted.entry(path.head).or_default().push(path);
            }
        }
        for route in unwanted {
            // The kernel may keep one whose link is down.
            let path = every(&route, table);
            let present = table.routes(&path.head).iter();
            removes.extend(present.filter(|actual| path.covers(actual)).cloned());
        }
        removes.retain(|actual| {
            let paths = wanted.get(&actual.head).map(Vec::as_slice).unwrap_or_default();
            !paths.iter().any(|path| path.is(actual))
        });
        (removes.into_iter().map(Operation::DeleteRoute).collect(), adds)
    }

    /// What became of removing a route.
    pub(crate) fn deleted(&mut self, path: &Path, outcome: &Outcome, table: &mut Table) {
        let gone = |refusal: &Refusal| matches!(refusal.errno, Errno::SRCH | Errno::NODEV);
        if outcome.as_ref().map_or_else(gone, |()| true) {
            table.apply(Change::RouteGone(path.clone()));
        }
    }

    /// What became of adding a route.
    pub(crate) fn added(
        &mut self,
        path: &Path,
        outcome: &Outcome,
        table: &mut Table,
        touched: &mut BTreeSet<RouterId>,
    ) {
        let exists = |refusal: &Refusal| refusal.errno == Errno::EXIST;
        // Without `add` the kernel says so of the very same route only.
        let there = match outcome {
            Ok(()) => true,
            Err(refusal) => exists(refusal) && path.order != Order::Add,
        };
        if there && !table.routes(&path.head).iter().any(|actual| path.is(actual)) {
            table.apply(Change::Route(path.now(), Told::Listed));
        }
        for (id, number) in self.asked.remove(path).unwrap_or_default() {
            let Some(owner) = self.owners.get_mut(id) else { continue };
            let Some(item) = owner.items.get_mut(number) else { continue };
            let presence = match outcome {
                Err(refusal) if !there => match refusal.errno {
                    Errno::EXIST => {
                        Presence::Failed("another route to this destination exists".into())
                    }
                    Errno::NETDOWN => Presence::PendingLinkDown,
                    Errno::NODEV => Presence::PendingNoDevice,
                    _ => Presence::Failed(refusal.to_string()),
                },
                _ => match possible(&item.what, table) {
                    Possible::Now(_, presence) | Possible::Later(presence) => presence,
                },
            };
            item.settle(presence, id, touched);
        }
    }
}
