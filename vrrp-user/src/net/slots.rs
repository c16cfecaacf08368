//! Who has which address where.
//!
//! A slot is an address on an interface, by name: the interface may not exist yet. Several routers
//! may have the same one; it stays known without any until it is gone from the kernel.
use super::change::Place;
use crate::config::model::{Name, Vip};
use foldhash::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::{IpAddr, Ipv6Addr};
use vrrp_common::ident::RouterId;

/// An address on an interface. In the order of what tells most of them apart soonest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot {
    /// The address.
    pub(crate) address: IpAddr,
    /// Prefix length.
    pub(crate) prefix: u8,
    /// The other end of the line.
    pub(crate) peer: Option<IpAddr>,
    /// Name of the interface.
    pub(crate) dev: Name,
}

impl Slot {
    /// Where a virtual address belongs.
    pub(crate) fn of(vip: &Vip) -> Self {
        let Vip { address, prefix, peer, .. } = *vip;
        Self { dev: vip.dev.clone(), address, prefix, peer }
    }

    /// The same on the link with this index.
    pub(crate) fn place(&self, ifindex: u32) -> Place {
        let Self { address, prefix, peer, .. } = *self;
        Place { ifindex, address, prefix, peer }
    }

    /// Whether an address of its link is in it and nothing else is.
    pub(crate) fn is(&self, place: &Place) -> bool {
        (self.address, self.prefix, self.peer) == (place.address, place.prefix, place.peer)
    }

    /// The slot on the same interface that an address is in.
    pub(crate) fn like(&self, place: &Place) -> Self {
        let Place { address, prefix, peer, .. } = *place;
        Self { dev: self.dev.clone(), address, prefix, peer }
    }
}

/// A router and the number of the address among its own.
pub(crate) type User = (RouterId, usize);

/// Every slot with its users.
#[derive(Default, Debug)]
pub(crate) struct Slots {
    by_dev: HashMap<Name, BTreeMap<Slot, Vec<User>>>,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// One more user.
    pub(crate) fn add(&mut self, slot: &Slot, user: User) {
        match self.by_dev.entry(slot.dev.clone()).or_default().entry(slot.clone()) {
            Entry::Occupied(mut users) => users.get_mut().push(user),
            Entry::Vacant(users) => {
                // Room for one: most have no more.
                users.insert(vec![user]);
                *self.by_address.entry(slot.address).or_default() += 1;
            }
        }
    }

    /// One user less; the slot stays.
    pub(crate) fn leave(&mut self, slot: &Slot, user: User) {
        let users = self.by_dev.get_mut(&slot.dev).and_then(|slots| slots.get_mut(slot));
        if let Some(users) = users {
            users.retain(|other| *other != user);
        }
    }

    /// Forgets a slot.
    pub(crate) fn remove(&mut self, slot: &Slot) {
        let Some(slots) = self.by_dev.get_mut(&slot.dev) else { return };
        if slots.remove(slot).is_none() {
            return;
        }
        if slots.is_empty() {
            self.by_dev.remove(&slot.dev);
        }
        if let Some(count) = self.by_address.get_mut(&slot.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&slot.address);
            }
        }
    }

    /// Who has a slot; `None` where nobody ever had.
    pub(crate) fn users(&self, slot: &Slot) -> Option<&[User]> {
        self.by_dev.get(&slot.dev)?.get(slot).map(Vec::as_slice)
    }

    /// Every slot of an interface.
    pub(crate) fn on(&self, dev: &str) -> impl Iterator<Item = &Slot> {
        self.by_dev.get(dev).into_iter().flat_map(BTreeMap::keys)
    }

    /// Every interface.
    pub(crate) fn devs(&self) -> impl Iterator<Item = &Name> {
        self.by_dev.keys()
    }

    /// Whether anyone has an address, wherever.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// The slots an address of the kernel is in: to IPv6 it is the same address under any prefix and
    /// with any peer.
    pub(crate) fn at(&self, dev: &Name, place: &Place) -> Vec<Slot> {
        let Place { address, .. } = *place;
        let slot = |prefix, peer| Slot { dev: dev.clone(), address, prefix, peer };
        let last = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));
        let (first, last) = match address {
            IpAddr::V4(_) => (slot(place.prefix, place.peer), slot(place.prefix, place.peer)),
            IpAddr::V6(_) => (slot(0, None), slot(u8::MAX, Some(last))),
        };
        match self.by_dev.get(dev) {
            Some(slots) => slots.range(first..=last).map(|(slot, _)| slot.clone()).collect(),
            None => Vec::new(),
        }
    }
}
