//! What has the comparison of desired and actual to tell: what to announce, links, reports.
use super::*;

impl Reconciler {
    /// Every address of a router that is present on a working link, to be announced now.
    pub(crate) fn announce(&mut self, id: RouterId, times: u32) {
        let Some(router) = self.routers.get(&id).filter(|router| router.own) else { return };
        for (address, entry) in router.entries.iter().enumerate() {
            if entry.presence == Presence::Present {
                let announcement = Announcement { router: id, address, times, returned: false };
                self.announcements.push(announcement);
            }
        }
    }

    /// One address on each interface but the router's own that is present on a working link.
    pub(crate) fn announce_elsewhere(&mut self, id: RouterId) {
        let Some(router) = self.routers.get(&id).filter(|router| router.own) else { return };
        let mut devs = BTreeSet::from([&router.instance.interface]);
        for (address, entry) in router.entries.iter().enumerate() {
            if entry.presence == Presence::Present && devs.insert(&entry.slot.dev) {
                let announcement = Announcement { router: id, address, times: 1, returned: false };
                self.announcements.push(announcement);
            }
        }
    }

    /// What was set for the time of this program is to be as it was before.
    pub(crate) fn retire(&mut self) {
        self.promotion.retire();
    }

    /// What a link is called.
    pub(crate) fn name(&self, ifindex: u32) -> Option<&Name> {
        self.table.by_index(ifindex).map(|device| &device.name)
    }

    /// Whether an address is present on a working link, and if so where and from which MAC.
    pub(crate) fn announceable(&self, router: RouterId, address: usize) -> Option<Target> {
        let router = self.routers.get(&router)?;
        let entry = router.entries.get(address)?;
        let device = self.table.device(&entry.slot.dev)?;
        (router.own && entry.presence == Presence::Present && device.up).then_some(Target {
            ifindex: device.ifindex,
            mac: device.mac,
            address: entry.slot.address,
        })
    }

    /// An announcement of it was sent.
    pub(crate) fn announced(&mut self, router: RouterId, address: usize, now: Instant) {
        let entry = self.routers.get_mut(&router).and_then(|r| r.entries.get_mut(address));
        if let Some(entry) = entry {
            entry.announced(now);
            self.touched.insert(router);
        }
    }

    /// Addresses that someone else removed since last asked.
    pub(crate) fn take_lost(&mut self) -> Vec<User> {
        std::mem::take(&mut self.lost)
    }

    /// What is to be announced since last asked.
    pub(crate) fn take_announcements(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.announcements)
    }

    /// Links that may look different since last asked, as they look now.
    pub(crate) fn take_links(&mut self) -> Vec<Link> {
        let names = std::mem::take(&mut self.names);
        names.iter().map(|name| self.table.view(name, |held| self.is_virtual(held))).collect()
    }

    /// Routers whose report may be different since last asked; `None` where a router is gone.
    pub(crate) fn take_reports(&mut self) -> Vec<(RouterId, Option<OwnedReport>)> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().map(|id| (id, self.report(id))).collect()
    }

    /// When to make a plan even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.patience.deadline().into_iter().chain(self.routes.deadline()).min()
    }

    /// Routes and rules, to ask what has to be read of them.
    pub(crate) const fn routing(&mut self) -> &mut Routing {
        &mut self.routes
    }

    pub(super) fn report(&self, id: RouterId) -> Option<OwnedReport> {
        let router = self.routers.get(&id)?;
        let addresses = router.entries.iter().map(Entry::report);
        let (routes, rules) = self.routes.report(id);
        let promoted = self.promotion.was_for(&self.table, &router.instance);
        Some(OwnedReport { addresses: addresses.collect(), routes, rules, promoted })
    }
}
