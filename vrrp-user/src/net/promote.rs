//! Which removals of addresses would take others along, and on which links must they not.
//!
//! The kernel keeps IPv4 addresses of one subnet in a row behind the first, and removes all of them
//! with it unless `promote_secondaries` is set. The first may well be a virtual address, of an
//! interface without an address of its own or left by a killed process; the others are the
//! interface's own or another router's.
use super::change::Place;
use super::table::Table;
use crate::config::model::{Instance, Name};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use vrrp_common::ident::RouterId;

/// `promote_secondaries` of instances: where it is wanted, and where it was set for that.
#[derive(Default, Debug)]
pub(crate) struct Promotion {
    wanted: HashMap<Name, BTreeSet<RouterId>>,
    set: BTreeSet<u32>,
    /// The kernel does not let us: not asked again before everything is read anew.
    refused: BTreeSet<u32>,
}

impl Promotion {
    /// A router exists like this, or not at all.
    pub(crate) fn router(&mut self, id: RouterId, instance: Option<&Instance>) {
        self.wanted.retain(|_, users| {
            users.remove(&id);
            !users.is_empty()
        });
        if let Some(instance) = instance.filter(|instance| instance.promote_secondaries) {
            self.wanted.entry(instance.interface.clone()).or_default().insert(id);
        }
    }

    /// Nobody wants it anywhere any more.
    pub(crate) fn retire(&mut self) {
        self.wanted.clear();
    }

    /// Everything was read anew.
    pub(crate) fn try_again(&mut self) {
        self.refused.clear();
    }

    /// Whether it is to be set on a link as long as that exists.
    pub(crate) fn keeps(&self, table: &Table, ifindex: u32) -> bool {
        table.by_index(ifindex).is_some_and(|device| self.wanted.contains_key(&device.name))
    }

    /// Who wants it on a link.
    pub(crate) fn users(&self, table: &Table, ifindex: u32) -> impl Iterator<Item = RouterId> {
        let wanted = table.by_index(ifindex).and_then(|device| self.wanted.get(&device.name));
        wanted.into_iter().flatten().copied()
    }

    /// Whether an instance wants it and it was set for that.
    pub(crate) fn was_for(&self, table: &Table, instance: &Instance) -> bool {
        let device = table.device(&instance.interface);
        instance.promote_secondaries && device.is_some_and(|d| self.set.contains(&d.ifindex))
    }

    /// Where to set it, and where it is to be as it was before.
    pub(crate) fn plan(&mut self, table: &Table) -> (Vec<u32>, Vec<u32>) {
        self.set.retain(|ifindex| table.by_index(*ifindex).is_some());
        let devices = self.wanted.keys().filter_map(|name| table.device(name));
        let on = devices.filter(|device| !device.promotes).map(|device| device.ifindex);
        let on = on.filter(|ifindex| !self.refused.contains(ifindex)).collect();
        let off = self.set.iter().copied().filter(|ifindex| !self.keeps(table, *ifindex));
        (on, off.collect())
    }

    /// What became of it.
    pub(crate) fn done(&mut self, table: &mut Table, ifindex: u32, on: bool, taken: bool) {
        let lasting = self.keeps(table, ifindex) || self.set.contains(&ifindex);
        if !lasting {
            return;
        }
        match (on, taken) {
            (true, true) => drop(self.set.insert(ifindex)),
            (true, false) => drop(self.refused.insert(ifindex)),
            (false, _) => drop(self.set.remove(&ifindex)),
        }
        if taken {
            table.promote(ifindex, on);
        } else {
            let name = table.by_index(ifindex).map(|device| device.name.clone());
            tracing::warn!("{}: promote_secondaries cannot be set", name.unwrap_or_default());
        }
    }
}

/// Links where addresses outside `removed` must be kept from following one of them.
pub(crate) fn endangered(table: &Table, removed: &BTreeSet<Place>) -> BTreeSet<u32> {
    let mut links = BTreeSet::new();
    for same_link in removed.iter().collect::<Vec<_>>().chunk_by(|a, b| a.ifindex == b.ifindex) {
        let ifindex = same_link[0].ifindex;
        if table.by_index(ifindex).is_none_or(|device| device.promotes) {
            continue;
        }
        let followers: BTreeSet<(u32, u8)> = table
            .addresses(ifindex)
            .filter(|held| held.secondary && !removed.contains(&held.place))
            .filter_map(|held| subnet(&held.place))
            .collect();
        if same_link.iter().filter_map(|place| subnet(place)).any(|net| followers.contains(&net)) {
            links.insert(ifindex);
        }
    }
    links
}

fn subnet(place: &Place) -> Option<(u32, u8)> {
    // A line is in the subnet of its other end.
    let IpAddr::V4(address) = place.peer.unwrap_or(place.address) else { return None };
    let host_bits = 32 - u32::from(place.prefix.min(32));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    Some((address.to_bits() & mask, place.prefix))
}
