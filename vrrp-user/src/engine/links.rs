//! What is known of each interface, and which routers care.
use super::input::{LinkAddresses, LinkState};
use crate::config::model::{Instance, Name};
use std::collections::{BTreeSet, HashMap};
use vrrp_common::ident::RouterId;

/// Interfaces by name.
#[derive(Default)]
pub(super) struct Links(HashMap<Name, Link>);

#[derive(Default)]
struct Link {
    state: LinkState,
    routers: BTreeSet<RouterId>,
}

impl Links {
    /// What an interface is like; one never heard of is missing.
    pub(super) fn state(&self, name: &Name) -> LinkState {
        self.0.get(name).map_or(LinkState::Missing, |link| link.state)
    }

    /// Whether it works.
    pub(super) fn up(&self, name: &Name) -> bool {
        matches!(self.state(name), LinkState::Up(_))
    }

    /// Addresses adverts can be sent from.
    pub(super) fn addresses(&self, name: &Name) -> LinkAddresses {
        match self.state(name) {
            LinkState::Missing => LinkAddresses::default(),
            LinkState::Down(addresses) | LinkState::Up(addresses) => addresses,
        }
    }

    /// Notes what an interface is like now and returns what it was like.
    pub(super) fn set(&mut self, name: &Name, state: LinkState) -> LinkState {
        let link = self.0.entry(name.clone()).or_default();
        let before = std::mem::replace(&mut link.state, state);
        if state == LinkState::Missing && link.routers.is_empty() {
            // Names of interfaces that come and go need not ever repeat.
            self.0.remove(name);
        }
        before
    }

    /// The routers that care about an interface.
    pub(super) fn routers(&self, name: &Name) -> Vec<RouterId> {
        self.0.get(name).map(|link| link.routers.iter().copied().collect()).unwrap_or_default()
    }

    /// A router cares about the interfaces of its configuration from now on.
    pub(super) fn watch(&mut self, router: RouterId, instance: &Instance) {
        for name in interfaces(instance) {
            match self.0.get_mut(name) {
                Some(link) => link.routers.insert(router),
                None => self.0.entry(name.clone()).or_default().routers.insert(router),
            };
        }
    }

    /// And no longer does.
    pub(super) fn forget(&mut self, router: RouterId, instance: &Instance) {
        for name in interfaces(instance) {
            if let Some(link) = self.0.get_mut(name) {
                link.routers.remove(&router);
                if link.routers.is_empty() && link.state == LinkState::Missing {
                    self.0.remove(name);
                }
            }
        }
    }
}

/// Every interface an instance names, some of them repeatedly.
fn interfaces(instance: &Instance) -> impl Iterator<Item = &Name> {
    std::iter::once(&instance.interface)
        .chain(instance.vips().map(|vip| &vip.dev))
        .chain(instance.routes.iter().filter_map(|route| route.dev.as_ref()))
        .chain(instance.track_interfaces.iter().map(|track| &track.interface))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::LinkAddresses;
    use vrrp_common::ident::{Family, Vrid};

    #[test]
    fn an_interface_that_is_gone_and_nobodys_is_forgotten() {
        let mut links = Links::default();
        let up = LinkState::Up(LinkAddresses::default());
        for number in 0..100 {
            let name: Name = format!("veth{number}").into();
            assert_eq!(links.set(&name, up), LinkState::Missing);
            assert_eq!(links.set(&name, LinkState::Missing), up);
        }
        assert_eq!(links.0.len(), 0);
        let instance = Instance::new("VI_1", "veth7", Vrid::new(1).unwrap(), Family::V4);
        links.watch(RouterId(0), &instance);
        links.set(&instance.interface, up);
        links.set(&instance.interface, LinkState::Missing);
        assert_eq!(links.routers(&instance.interface), [RouterId(0)]);
    }
}
