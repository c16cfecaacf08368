//! What is known of each interface, and which routers care.
//!
//! A router sees an interface as it counts, which after a change may for a while
//! (`interface_up_down_delays`) be otherwise than it is.
use super::digest::from;
use super::input::{LinkAddresses, LinkState};
use super::tracking::Tracking;
use crate::config::model::Name;
use crate::config::tracked::LinkDelay;
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Interfaces by name.
#[derive(Clone, Default)]
pub(super) struct Links {
    links: HashMap<Name, Link>,
    delays: HashMap<Name, LinkDelay>,
    /// When a change that waits counts.
    due: BTreeSet<(Instant, Name)>,
}

#[derive(Clone, Default)]
struct Link {
    /// What it is like.
    told: LinkState,
    /// What it counts as.
    counts: LinkState,
    /// Since when the two differ.
    differs: Option<Instant>,
    /// When they no longer do.
    due: Option<Instant>,
    addresses: Arc<[IpAddr]>,
    routers: BTreeSet<RouterId>,
}

impl Link {
    fn is_nothing(&self) -> bool {
        self.told == LinkState::Missing && self.routers.is_empty() && self.addresses.is_empty()
    }

    /// Makes it count as what it is like, if that is so already. Says when it will be.
    fn settle(&mut self, now: Instant, delay: Option<&LinkDelay>) {
        let since = match (self.counts, self.told) {
            // A link that goes takes its sockets along: nothing is left to wait for.
            (_, LinkState::Missing)
            | (LinkState::Up(_), LinkState::Up(_))
            | (LinkState::Missing | LinkState::Down(_), LinkState::Down(_)) => {
                self.differs = None;
                self.due = None;
                self.counts = self.told;
                return;
            }
            (LinkState::Up(_), LinkState::Down(_))
            | (LinkState::Missing | LinkState::Down(_), LinkState::Up(_)) => {
                *self.differs.get_or_insert(now)
            }
        };
        let wait = match (delay, self.told) {
            (None, _) => Duration::ZERO,
            (Some(delay), LinkState::Up(_)) => delay.up,
            (Some(delay), LinkState::Down(_) | LinkState::Missing) => delay.down,
        };
        let due = since + wait;
        if due <= now {
            self.differs = None;
            self.due = None;
            self.counts = self.told;
            return;
        }
        self.due = Some(due);
        if let LinkState::Up(addresses) = self.told {
            self.counts = LinkState::Down(addresses);
        }
    }
}

/// What an interface counted as, and counts as now.
pub(super) type Change = (LinkState, LinkState);

impl Links {
    /// What an interface counts as; one never heard of is missing.
    pub(super) fn state(&self, name: &Name) -> LinkState {
        self.links.get(name).map_or(LinkState::Missing, |link| link.counts)
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

    /// Whether an address is on it.
    pub(super) fn has(&self, name: &Name, address: IpAddr) -> bool {
        self.links.get(name).is_some_and(|link| link.addresses.contains(&address))
    }

    /// Notes what an interface is like now, and says what that means.
    pub(super) fn set(&mut self, now: Instant, name: &Name, state: LinkState) -> Change {
        self.entry(name).told = state;
        let change = self.settle(now, name);
        self.drop_nothing(name);
        change
    }

    /// Notes which addresses are on an interface. Says whether that is new.
    pub(super) fn set_addresses(&mut self, name: &Name, addresses: Arc<[IpAddr]>) -> bool {
        let link = self.entry(name);
        let changed = link.addresses != addresses;
        link.addresses = addresses;
        self.drop_nothing(name);
        changed
    }

    /// `interface_up_down_delays` from now on. Changes that wait count from when they happened; those
    /// that need not wait any more are due.
    pub(super) fn set_delays(&mut self, now: Instant, delays: &[LinkDelay]) {
        self.delays = delays.iter().map(|delay| (delay.interface.clone(), delay.clone())).collect();
        for (_, name) in std::mem::take(&mut self.due) {
            let Some(link) = self.links.get_mut(&name) else { continue };
            let Some(since) = link.differs else { continue };
            let delay = self.delays.get(&name);
            let wait = match link.told {
                LinkState::Up(_) => delay.map_or(Duration::ZERO, |delay| delay.up),
                LinkState::Down(_) | LinkState::Missing => {
                    delay.map_or(Duration::ZERO, |delay| delay.down)
                }
            };
            let due = (since + wait).max(now);
            link.due = Some(due);
            self.due.insert((due, name));
        }
    }

    /// When [`Self::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// An interface whose change counts now, if there is one.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(Name, Change)> {
        let (at, name) = self.due.first()?.clone();
        if at > now {
            return None;
        }
        self.due.pop_first();
        let link = self.links.get_mut(&name)?;
        let before = std::mem::replace(&mut link.counts, link.told);
        (link.differs, link.due) = (None, None);
        Some((name, (before, link.told)))
    }

    /// The routers that care about an interface.
    pub(super) fn routers(&self, name: &Name) -> Vec<RouterId> {
        self.links.get(name).map(|link| link.routers.iter().copied().collect()).unwrap_or_default()
    }

    /// A router cares about the interfaces of its configuration from now on.
    pub(super) fn watch(&mut self, router: RouterId, tracking: Tracking<'_>) {
        for name in interfaces(tracking) {
            self.entry(name).routers.insert(router);
        }
    }

    /// And no longer does.
    pub(super) fn forget(&mut self, router: RouterId, tracking: Tracking<'_>) {
        for name in interfaces(tracking) {
            if let Some(link) = self.links.get_mut(name) {
                link.routers.remove(&router);
            }
            self.drop_nothing(name);
        }
    }

    /// Feeds the changes that wait to `into`.
    pub(super) fn digest(&self, now: Instant, into: &mut impl Hasher) {
        for (at, name) in &self.due {
            (from(now, *at), name).hash(into);
        }
    }

    fn entry(&mut self, name: &Name) -> &mut Link {
        if !self.links.contains_key(name) {
            self.links.insert(name.clone(), Link::default());
        }
        self.links.entry(name.clone()).or_default()
    }

    fn settle(&mut self, now: Instant, name: &Name) -> Change {
        let Some(link) = self.links.get_mut(name) else { return Change::default() };
        let (before, due) = (link.counts, link.due);
        link.settle(now, self.delays.get(name));
        let change = (before, link.counts);
        if link.due != due {
            due.map(|at| self.due.remove(&(at, name.clone())));
            link.due.map(|at| self.due.insert((at, name.clone())));
        }
        change
    }

    /// Names of interfaces that come and go need not ever repeat.
    fn drop_nothing(&mut self, name: &Name) {
        if self.links.get(name).is_some_and(Link::is_nothing) {
            self.links.remove(name);
        }
    }
}

/// Every interface a router has to do with, some of them repeatedly.
fn interfaces(tracking: Tracking<'_>) -> impl Iterator<Item = &Name> {
    let instance = tracking.instance;
    std::iter::once(&instance.interface)
        .chain(instance.vips().map(|vip| &vip.dev))
        .chain(instance.routes.iter().filter_map(|route| route.dev.as_ref()))
        .chain(instance.rules.iter().flat_map(|rule| rule.iif.iter().chain(&rule.oif)))
        .chain(&instance.static_interfaces)
        .chain(tracking.interfaces().map(|track| &track.interface))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Instance;
    use vrrp_common::ident::{Family, Vrid};

    const UP: LinkState = LinkState::Up(LinkAddresses { v4: None, v6: None });
    const DOWN: LinkState = LinkState::Down(LinkAddresses { v4: None, v6: None });

    #[test]
    fn an_interface_that_is_gone_and_nobodys_is_forgotten() {
        let mut links = Links::default();
        let now = Instant::ZERO;
        for number in 0..100 {
            let name: Name = format!("veth{number}").into();
            assert_eq!(links.set(now, &name, UP), (LinkState::Missing, UP));
            assert_eq!(links.set(now, &name, LinkState::Missing), (UP, LinkState::Missing));
        }
        assert_eq!(links.links.len(), 0);
        let instance = Instance::new("VI_1", "veth7", Vrid::new(1).unwrap(), Family::V4);
        links.watch(RouterId(0), Tracking { instance: &instance, group: None });
        links.set(now, &instance.interface, UP);
        links.set(now, &instance.interface, LinkState::Missing);
        assert_eq!(links.routers(&instance.interface), [RouterId(0)]);
    }

    #[test]
    fn a_change_counts_when_it_has_lasted() {
        let name: Name = "eth0".into();
        let second = Duration::from_secs(1);
        let delay = |down, up| LinkDelay { interface: "eth0".into(), down, up };
        let mut links = Links::default();
        let start = Instant::from_nanos(7);
        links.set(start, &name, UP);
        links.set_delays(start, &[delay(second, 2 * second)]);
        assert_eq!(links.set(start, &name, DOWN), (UP, UP));
        assert_eq!(links.deadline(), Some(start + second));
        // Back within its delay: it was never down, and the next time counts anew.
        assert_eq!(links.set(start + second / 2, &name, UP), (UP, UP));
        assert_eq!(links.deadline(), None);
        let again = start + second;
        links.set(again, &name, DOWN);
        // More of the same does not prolong it.
        links.set(again + second / 2, &name, DOWN);
        assert_eq!(links.expire(again + second / 2), None);
        assert_eq!(links.expire(again + second), Some((name.clone(), (UP, DOWN))));
        assert_eq!(links.set(again + second, &name, UP), (DOWN, DOWN));
        assert_eq!(links.deadline(), Some(again + 3 * second));
        // A shorter delay counts from the change too.
        links.set_delays(again + 2 * second, &[delay(second, second / 2)]);
        assert_eq!(links.expire(again + 2 * second), Some((name.clone(), (DOWN, UP))));
        // What is gone is gone at once.
        links.set(again + 2 * second, &name, DOWN);
        let gone = links.set(again + 2 * second, &name, LinkState::Missing);
        assert_eq!(gone, (UP, LinkState::Missing));
        assert_eq!(links.deadline(), None);
    }
}
