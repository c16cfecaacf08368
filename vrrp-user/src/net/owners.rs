//! What of one kind does each router want in the kernel, and what became of it.
use super::task::Presence;
use std::collections::{BTreeMap, BTreeSet};
use vrrp_common::ident::RouterId;

/// One thing a router wants.
#[derive(Clone, Debug)]
pub(crate) struct Item<T> {
    pub(crate) what: T,
    pub(crate) presence: Presence,
    /// Adding it was tried since the router took over.
    pub(crate) tried: bool,
}

/// A router that wants something.
#[derive(Debug)]
pub(crate) struct Owner<T> {
    pub(crate) own: bool,
    pub(crate) no_repair: bool,
    pub(crate) items: Vec<Item<T>>,
}

/// Every router that wants something.
#[derive(Debug)]
pub(crate) struct Owners<T>(BTreeMap<RouterId, Owner<T>>);

impl<T> Default for Owners<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone + PartialEq> Owners<T> {
    /// A router wants this from now on; what it wanted before and does not any more.
    pub(crate) fn set(
        &mut self,
        id: RouterId,
        (own, no_repair): (bool, bool),
        wanted: impl IntoIterator<Item = T>,
    ) -> Vec<T> {
        let former = self.0.remove(&id).map(|owner| owner.items).unwrap_or_default();
        let item = |what| match former.iter().find(|item| item.what == what) {
            Some(kept) => kept.clone(),
            None => Item { what, presence: Presence::Absent, tried: false },
        };
        let items: Vec<Item<T>> = wanted.into_iter().map(item).collect();
        let mut gone: Vec<T> = former.into_iter().map(|item| item.what).collect();
        gone.retain(|what| !items.iter().any(|item| item.what == *what));
        // Most routers want nothing of the kind, and then cost nothing.
        if !items.is_empty() {
            self.0.insert(id, Owner { own, no_repair, items });
        }
        gone
    }

    /// A router is gone; what it wanted.
    pub(crate) fn forget(&mut self, id: RouterId) -> Vec<T> {
        let items = self.0.remove(&id).map(|owner| owner.items).unwrap_or_default();
        items.into_iter().map(|item| item.what).collect()
    }

    /// A router takes over, or gives up.
    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        if let Some(owner) = self.0.get_mut(&id) {
            owner.own = own;
            for item in &mut owner.items {
                item.tried = false;
            }
        }
    }

    /// Whether nobody wants anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What became of all a router wants.
    pub(crate) fn report(&self, id: RouterId) -> Vec<Presence> {
        let items = self.0.get(&id).map(|owner| owner.items.as_slice()).unwrap_or_default();
        items.iter().map(|item| item.presence.clone()).collect()
    }

    /// Everything anybody wants.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(|owner| &owner.items).map(|item| &item.what)
    }

    /// Those who want something, by number.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (RouterId, &mut Owner<T>)> {
        self.0.iter_mut().map(|(id, owner)| (*id, owner))
    }

    /// One of them.
    pub(crate) fn get_mut(&mut self, id: RouterId) -> Option<&mut Owner<T>> {
        self.0.get_mut(&id)
    }
}

impl<T> Item<T> {
    /// This became of it.
    pub(crate) fn settle(
        &mut self,
        presence: Presence,
        id: RouterId,
        touched: &mut BTreeSet<RouterId>,
    ) {
        if self.presence != presence {
            self.presence = presence;
            touched.insert(id);
        }
    }

    /// It is not there, and not put back now. One that was refused remains so.
    pub(crate) fn wait(&mut self, id: RouterId, touched: &mut BTreeSet<RouterId>) {
        if matches!(self.presence, Presence::Present | Presence::PendingLinkDown) {
            self.settle(Presence::Absent, id, touched);
        }
    }
}
