//! What has to be done so that the kernel has what is wanted: desired and actual, compared.
//!
//! Level-triggered: nothing here remembers what was done before, only what is wanted and what the
//! kernel tells.
use super::announce::{Announcement, Target};
use super::change::{Change, Held, Operation, Outcome, Place, Refusal};
use super::entry::{Blame, Entry};
use super::look::{Look, Made};
use super::patience::Patience;
use super::promote::{Promotion, endangered};
use super::routing::Routing;
use super::slots::{Slot, Slots, User};
use super::statics::STATICS;
use super::table::Table;
use super::task::{Link, OwnedReport, Presence};
use crate::config::model::{Instance, Name, Vip};
use foldhash::{HashMap, HashMapExt as _, HashSet};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::sync::Arc;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::time::Instant;

/// What is said of an address that duplicate address detection found on another host.
const DUPLICATE: &str = "another host has it, says duplicate address detection";

struct Router {
    instance: Arc<Instance>,
    own: bool,
    entries: Vec<Entry>,
}

/// Desired and actual.
#[derive(Default)]
pub(crate) struct Reconciler {
    table: Table,
    routers: HashMap<RouterId, Router>,
    slots: Slots,
    patience: Patience,
    routes: Routing,
    promotion: Promotion,
    /// To be looked at when the next plan is made.
    dirty: BTreeSet<Slot>,
    /// Interfaces whose every slot is.
    dirty_devs: BTreeSet<Name>,
    /// Interfaces that stopped working since the last plan was made.
    fallen: BTreeSet<Name>,
    /// Where addresses of ours may be left, under a name that a link did not have before.
    strays: BTreeSet<Place>,
    /// Slots the kernel refused: tried again when anything changes on their interface.
    failed: BTreeSet<Slot>,
    made: Made,
    /// Links where an operation of ours removes addresses at this moment: what else vanishes there
    /// follows from it (the kernel takes secondary addresses away with their primary one).
    deleting: HashSet<u32>,
    /// A listing is being read: what it lacks vanished unseen.
    listing: bool,
    names: BTreeSet<Name>,
    lost: Vec<User>,
    announcements: Vec<Announcement>,
    touched: BTreeSet<RouterId>,
}

impl Reconciler {
    /// A router exists or changed.
    pub(crate) fn router(&mut self, id: RouterId, instance: Arc<Instance>) {
        let old = self.routers.remove(&id);
        let own = old.as_ref().is_some_and(|old| old.own);
        let mut former: HashMap<Slot, Entry> = HashMap::new();
        for (number, entry) in old.into_iter().flat_map(|old| old.entries).enumerate() {
            self.slots.leave(&entry.slot, (id, number));
            self.dirty.insert(entry.slot.clone());
            former.insert(entry.slot.clone(), entry);
        }
        let entries: Vec<Entry> = instance
            .vips()
            .map(|vip| {
                let slot = Slot::of(vip);
                former.remove(&slot).unwrap_or_else(|| Entry::new(slot, instance.garp.repeat))
            })
            .collect();
        for (number, entry) in entries.iter().enumerate() {
            self.slots.add(&entry.slot, (id, number));
            self.dirty.insert(entry.slot.clone());
            self.names.insert(entry.slot.dev.clone());
        }
        self.routes.set(id, &instance, own);
        self.promotion.router(id, Some(&instance));
        self.routers.insert(id, Router { instance, own, entries });
        self.touched.insert(id);
    }

    /// A router is gone.
    pub(crate) fn forget(&mut self, id: RouterId) {
        let Some(router) = self.routers.remove(&id) else { return };
        for (number, entry) in router.entries.iter().enumerate() {
            self.slots.leave(&entry.slot, (id, number));
            self.dirty.insert(entry.slot.clone());
        }
        self.routes.forget(id);
        self.promotion.router(id, None);
        self.touched.insert(id);
    }

    /// Its addresses and routes should be present, or absent.
    pub(crate) fn own(&mut self, id: RouterId, own: bool, announce: u32) {
        let Some(router) = self.routers.get_mut(&id) else { return };
        router.own = own;
        for entry in &mut router.entries {
            entry.own(own, announce);
            self.dirty.insert(entry.slot.clone());
        }
        self.routes.own(id, own);
        self.touched.insert(id);
    }

    /// Takes in what the kernel told.
    pub(crate) fn apply(&mut self, change: Change) {
        let Some(change) = self.routes.apply(change, &mut self.table) else { return };
        let about = if let Change::Address(held) = &change { Some(held.place) } else { None };
        let effect = self.table.apply(change);
        if let Some(name) = effect.fell {
            self.fell(&name);
        }
        if let Some(place) = effect.vanished {
            self.vanished(&place);
        }
        if let Some((ifindex, name)) = effect.renamed {
            self.strays.extend(self.slots.on(&name).map(|slot| slot.place(ifindex)));
        }
        if let Some(place) = about {
            self.dirty.extend(self.slots_at(&place));
        } else if effect.vanished.is_none() {
            self.dirty_devs.extend(effect.names.iter().cloned());
        }
        let failed = self.failed.iter().filter(|slot| effect.names.contains(&slot.dev));
        self.dirty.extend(failed.cloned());
        self.routes.look_again();
        self.names.extend(effect.names);
    }

    /// A complete listing begins.
    pub(crate) fn begin_listing(&mut self) {
        self.table.begin_listing();
        self.listing = true;
    }

    /// The listing was complete: what it did not tell is gone, and everything is looked at anew.
    pub(crate) fn finish_listing(&mut self) {
        for change in self.table.finish_listing() {
            self.apply(change);
        }
        self.listing = false;
        // An answer that was lost came before.
        self.deleting.clear();
        self.promotion.try_again();
        self.names.extend(self.table.names().cloned());
        self.dirty_devs.extend(self.slots.devs().cloned());
        self.routes.fresh();
    }

    /// A listing of our routes and rules alone begins.
    pub(crate) fn begin_routes(&mut self) {
        self.table.begin_routes();
    }

    /// It was complete.
    pub(crate) fn finish_routes(&mut self) {
        for change in self.table.finish_listing() {
            self.table.apply(change);
        }
        self.routes.look_again();
    }

    /// What has to be done now, in this order. Asked again after [`Self::done`], until nothing is.
    pub(crate) fn plan(&mut self, now: Instant) -> Vec<Operation> {
        self.fallen.clear();
        self.dirty.extend(self.patience.due(now));
        for dev in std::mem::take(&mut self.dirty_devs) {
            self.dirty.extend(self.slots.on(&dev).cloned());
        }
        let mut added = Vec::new();
        let mut removed = BTreeSet::new();
        for slot in std::mem::take(&mut self.dirty) {
            let wanted = self.wanted(&slot);
            let device = self.table.device(&slot.dev).map(|device| (device.ifindex, device.up));
            let Some((ifindex, up)) = device else {
                self.settle(&slot, &Presence::PendingNoDevice);
                continue;
            };
            let place = slot.place(ifindex);
            match (wanted, self.table.held(&place)) {
                (Some(_), Some(held)) if self.is_outdated(&slot, held) => {
                    removed.insert(held.place);
                    self.deleting.insert(ifindex);
                }
                (Some(_), Some(held)) if held.duplicate => {
                    self.settle(&slot, &Presence::Failed(DUPLICATE.to_owned()));
                }
                (Some(_), Some(_)) => {
                    let presence = if up { Presence::Present } else { Presence::PendingLinkDown };
                    self.settle(&slot, &presence);
                }
                (Some(vip), None) => {
                    let look = Look::of(vip);
                    if !self.is_repair(&slot) || self.patience.allows(&slot, now) {
                        added.push(Operation::AddAddress { place, look });
                    }
                }
                (None, Some(held)) if !self.is_own(&slot, held) => {
                    removed.insert(held.place);
                    self.deleting.insert(ifindex);
                }
                (None, _) => self.settle(&slot, &Presence::Absent),
            }
        }
        for place in std::mem::take(&mut self.strays) {
            // Nobody gave them to a link of this name, and the name they were given to may be
            // another link's by now.
            if let Some(held) = self.table.held(&place).filter(|held| held.ours)
                && self.slots_at(&held.place).is_empty()
            {
                removed.insert(held.place);
                self.deleting.insert(place.ifindex);
            }
        }
        let (mut operations, route_adds) = self.routes.plan(&self.table, now, &mut self.touched);
        let (on, off) = self.promotion.plan(&self.table);
        let mut guarded = endangered(&self.table, &removed);
        guarded.retain(|ifindex| !self.promotion.keeps(&self.table, *ifindex));
        let promote = |on| move |&ifindex: &u32| Operation::Promote { ifindex, on };
        operations.extend(on.iter().map(promote(true)));
        operations.extend(guarded.iter().map(promote(true)));
        operations.extend(removed.into_iter().map(Operation::DeleteAddress));
        operations.extend(guarded.iter().map(promote(false)));
        operations.extend(off.iter().map(promote(false)));
        operations.append(&mut added);
        operations.extend(route_adds);
        operations
    }

    /// What became of an operation.
    pub(crate) fn done(&mut self, operation: &Operation, outcome: Outcome) {
        match operation {
            Operation::AddAddress { place, look } => {
                let slots = self.slots_at(place);
                match outcome {
                    Ok(()) | Err(Refusal { errno: Errno::EXIST, .. }) => {
                        if self.table.held(place).is_none() {
                            self.table.apply(Change::Address(Held::asked(*place, look)));
                        }
                        if let (Ok(()), Some(held)) = (&outcome, self.table.held(place)) {
                            for slot in slots.iter().filter(|slot| slot.is(place)) {
                                self.made.note(slot.clone(), look.clone(), held.look.clone());
                            }
                        }
                        self.dirty.extend(slots);
                    }
                    Err(refusal) => {
                        let presence = match refusal.errno {
                            Errno::NODEV | Errno::NXIO => Presence::PendingNoDevice,
                            Errno::NETDOWN => Presence::PendingLinkDown,
                            _ => Presence::Failed(refusal.to_string()),
                        };
                        for slot in slots.iter().filter(|slot| slot.is(place)) {
                            self.settle(slot, &presence);
                        }
                    }
                }
            }
            Operation::DeleteAddress(place) => {
                self.deleting.remove(&place.ifindex);
                let slots = self.slots_at(place);
                match outcome {
                    Ok(())
                    | Err(Refusal {
                        errno: Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::NXIO,
                        ..
                    }) => {
                        self.table.apply(Change::AddressGone(*place));
                        self.dirty.extend(slots);
                    }
                    Err(refusal) => {
                        for slot in slots {
                            self.settle(&slot, &Presence::Failed(refusal.to_string()));
                        }
                    }
                }
            }
            // Where it is refused, what is taken along is put back.
            Operation::Promote { ifindex, on } => {
                self.promotion.done(&mut self.table, *ifindex, *on, outcome.is_ok());
                self.touched.extend(self.promotion.users(&self.table, *ifindex));
            }
            other => self.routes.done(other, outcome, &mut self.table, &mut self.touched),
        }
    }

    /// The configuration of a router.
    pub(super) fn instance(&self, id: RouterId) -> Option<&Instance> {
        self.routers.get(&id).map(|router| &*router.instance)
    }

    /// Whether a router's addresses should be present.
    pub(crate) fn owns(&self, id: RouterId) -> bool {
        self.routers.get(&id).is_some_and(|router| router.own)
    }

    /// Who has a slot.
    pub(super) fn users(&self, slot: &Slot) -> &[User] {
        self.slots.users(slot).unwrap_or_default()
    }

    fn slots_at(&self, place: &Place) -> Vec<Slot> {
        match self.table.by_index(place.ifindex) {
            Some(device) => self.slots.at(&device.name, place),
            None => Vec::new(),
        }
    }

    fn wanted(&self, slot: &Slot) -> Option<&Vip> {
        self.slots.users(slot)?.iter().find_map(|(id, number)| {
            let router = self.routers.get(id)?;
            let entry = router.entries.get(*number)?;
            (router.own && entry.is_wanted()).then(|| router.instance.vips().nth(*number))?
        })
    }

    /// Whether adding it puts back what was there.
    fn is_repair(&self, slot: &Slot) -> bool {
        self.users(slot).iter().any(|(id, number)| {
            let entry = self.routers.get(id).and_then(|router| router.entries.get(*number));
            entry.is_some_and(Entry::is_repair)
        })
    }

    /// An address of ours that is not as it was asked for: it is made anew.
    fn is_outdated(&self, slot: &Slot, held: &Held) -> bool {
        let look = || self.wanted(slot).map(Look::of);
        let wanted_as_it_is = || self.wanted(&slot.like(&held.place)).is_some();
        (held.ours || self.made.knows(slot))
            && match slot.is(&held.place) {
                true => look().is_some_and(|look| !self.made.fits(slot, &look, &held.look)),
                false => !wanted_as_it_is(),
            }
    }

    /// An address the owner's interface (priority 255) has of its own accord is not ours to remove.
    fn is_own(&self, slot: &Slot, held: &Held) -> bool {
        let users = self.users(slot);
        let owner = |id: &RouterId| {
            self.routers.get(id).is_some_and(|router| router.instance.priority == Priority::OWNER)
        };
        !held.ours && !users.is_empty() && users.iter().all(|(id, _)| owner(id))
    }

    fn is_virtual(&self, held: &Held) -> bool {
        let own = |slot: &Slot| self.is_own(slot, held) || self.is_static(slot);
        self.slots.knows(held.place.address) && !self.slots_at(&held.place).iter().any(own)
    }

    /// What a slot is like now, for everyone who has it.
    fn settle(&mut self, slot: &Slot, presence: &Presence) {
        if matches!(presence, Presence::Failed(_)) {
            self.failed.insert(slot.clone());
        } else {
            self.failed.remove(slot);
        }
        let users = self.users(slot).to_vec();
        if users.is_empty() && !matches!(presence, Presence::Failed(_)) {
            self.slots.remove(slot);
            self.patience.forget(slot);
            self.names.insert(slot.dev.clone());
        }
        for (id, number) in users {
            let Some(router) = self.routers.get_mut(&id) else { continue };
            let Some(entry) = router.entries.get_mut(number) else { continue };
            let (changed, arrival) = entry.settle(presence, router.own, &router.instance);
            if changed {
                if let Presence::Failed(why) = &entry.presence {
                    let Slot { dev, address, prefix, .. } = slot;
                    let name = &router.instance.name;
                    tracing::error!("({name}) {address}/{prefix} on {dev}: {why}");
                }
                self.touched.insert(id);
            }
            self.announcements.extend(arrival.map(|arrival| Announcement {
                router: id,
                address: number,
                times: arrival.times,
                returned: arrival.returned,
            }));
        }
    }

    /// A link stopped working, if only for a moment: its addresses are announced when it returns.
    fn fell(&mut self, name: &Name) {
        self.routes.mark_stale();
        if !self.fallen.insert(name.clone()) {
            return;
        }
        let slots: Vec<Slot> = self.slots.on(name).cloned().collect();
        for slot in slots {
            if self.slots.users(&slot).is_some_and(|users| !users.is_empty()) {
                self.settle(&slot, &Presence::PendingLinkDown);
            }
        }
        self.dirty_devs.insert(name.clone());
    }

    /// An address the kernel had is gone, and whether someone is to blame.
    fn vanished(&mut self, place: &Place) {
        self.routes.mark_stale();
        let working = self.table.by_index(place.ifindex).is_some_and(|device| device.up);
        let blame = if self.deleting.contains(&place.ifindex) {
            // The kernel takes secondary addresses away with their primary one.
            Blame::Ourselves
        } else if !working || self.listing && place.address.is_ipv6() {
            // It does so with IPv6 addresses when a link goes down. Where a listing shows the absence
            // of one, the link may have been down for a moment.
            Blame::Kernel
        } else {
            Blame::Someone
        };
        for slot in self.slots_at(place) {
            self.made.forget(&slot);
            for (id, number) in self.users(&slot).to_vec() {
                let Some(router) = self.routers.get_mut(&id).filter(|router| router.own) else {
                    continue;
                };
                let Some(entry) = router.entries.get_mut(number) else { continue };
                let tracked = router.instance.vips().nth(number).is_none_or(|vip| !vip.no_track);
                if entry.vanish(blame, tracked, router.instance.no_repair) && id != STATICS {
                    self.lost.push((id, number));
                }
                self.touched.insert(id);
            }
            self.dirty.insert(slot);
        }
    }
}

mod tell;
#[cfg(test)]
mod tests;
