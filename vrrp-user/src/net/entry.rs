//! What became of one address of one router.
use super::slots::Slot;
use super::task::{AddressReport, Presence};
use crate::config::model::Instance;
use vrrp_common::time::Instant;

/// One address of one router.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where it belongs.
    pub(crate) slot: Slot,
    /// What it is like.
    pub(crate) presence: Presence,
    /// Someone removed it: not wanted again before the router takes over anew.
    suspended: bool,
    /// It was there before: when it is present again it was put back.
    vanished: bool,
    /// Announcements when it becomes present.
    announce: u32,
    announced: u64,
    announced_last: Option<Instant>,
    repaired: u64,
}

/// An address became present: how often to announce it, and whether it was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    /// How often.
    pub(crate) times: u32,
    /// It comes back, with its link or after someone removed it.
    pub(crate) returned: bool,
}

/// Who is to blame that an address is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blame {
    /// We removed another one, and the kernel this one with it.
    Ourselves,
    /// The kernel, for a link went down.
    Kernel,
    /// Someone else.
    Someone,
}

impl Entry {
    /// Not there, and not wanted yet.
    pub(crate) const fn new(slot: Slot, announce: u32) -> Self {
        Self {
            slot,
            presence: Presence::Absent,
            suspended: false,
            vanished: false,
            announce,
            announced: 0,
            announced_last: None,
            repaired: 0,
        }
    }

    /// The router takes over, or gives up.
    pub(crate) fn own(&mut self, own: bool, announce: u32) {
        self.suspended = false;
        self.vanished = false;
        self.announce = announce;
        if !own || self.presence == Presence::Present {
            // Announced anew where it is there already.
            self.presence = Presence::Absent;
        }
    }

    /// Whether it is wanted while its router owns its addresses.
    pub(crate) const fn is_wanted(&self) -> bool {
        !self.suspended
    }

    /// Whether adding it puts back what was there.
    pub(crate) const fn is_repair(&self) -> bool {
        self.vanished
    }

    /// What its slot is like now. Says whether the report changes, and whether it arrived.
    pub(crate) fn settle(
        &mut self,
        presence: &Presence,
        own: bool,
        instance: &Instance,
    ) -> (bool, Option<Arrival>) {
        let wanted = own && !self.suspended;
        let new = match presence {
            Presence::Failed(_) => presence.clone(),
            _ if !wanted => Presence::Absent,
            _ => presence.clone(),
        };
        if wanted && new == Presence::PendingNoDevice {
            // Gone with its interface. Before the first arrival nothing was there to vanish.
            self.vanished |= matches!(self.presence, Presence::Present | Presence::PendingLinkDown);
            // keepalived adds it once, on becoming master.
            self.suspended |= instance.no_repair;
        }
        if wanted && new == Presence::PendingLinkDown && instance.no_repair {
            // Nor does it announce it on its link's return.
            self.announce = 0;
        }
        let mut arrival = None;
        if new == Presence::Present && self.presence != Presence::Present {
            let returned = self.vanished || self.presence != Presence::Absent;
            arrival = Some(Arrival { times: self.announce, returned });
            self.announce = if instance.no_repair { 0 } else { instance.garp.repeat };
            self.repaired += u64::from(self.vanished);
            self.vanished = false;
        }
        let changed = self.presence != new;
        self.presence = new;
        (changed, arrival)
    }

    /// It was removed while the router owned it. Says whether the router is to be told: only if
    /// someone else did it.
    pub(crate) fn vanish(&mut self, blame: Blame, tracked: bool, no_repair: bool) -> bool {
        if self.suspended || self.presence == Presence::Absent {
            return false;
        }
        if self.presence == Presence::Present {
            self.presence = Presence::Absent;
        }
        self.vanished = blame != Blame::Ourselves;
        self.suspended = match blame {
            Blame::Ourselves => false,
            Blame::Kernel => no_repair,
            Blame::Someone => no_repair || tracked,
        };
        blame == Blame::Someone
    }

    /// An announcement of it was sent.
    pub(crate) const fn announced(&mut self, now: Instant) {
        self.announced += 1;
        self.announced_last = Some(now);
    }

    /// For reports.
    pub(crate) fn report(&self) -> AddressReport {
        AddressReport {
            presence: self.presence.clone(),
            announced: self.announced,
            announced_last: self.announced_last,
            repaired: self.repaired,
        }
    }
}
