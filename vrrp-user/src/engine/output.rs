//! What can the engine ask for.
use super::snapshot::{Fault, State};
use crate::config::model::Name;
use std::net::IpAddr;
use std::sync::Arc;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::wire::vrrp::Header;

/// One thing to do. Outputs of one input are to be carried out in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A router exists from now on: make its rule, sockets and frames. Comes before anything else of
    /// it, and again (with the same number) when its configuration changed.
    Started {
        /// Its number.
        router: RouterId,
        /// Its configuration.
        instance: Arc<crate::config::model::Instance>,
    },
    /// A router is gone: forget its number.
    Stopped {
        /// Its number.
        router: RouterId,
    },
    /// The address adverts of this router are sent from changed.
    Source {
        /// The router.
        router: RouterId,
        /// `None` where the interface has none; nothing is sent then.
        source: Option<IpAddr>,
    },
    /// Send one advert now: to the group, or to each peer, in each of the instance's versions.
    Advert {
        /// The router.
        router: RouterId,
        /// The priority it carries.
        priority: Priority,
    },
    /// The router's addresses and routes should be present, or absent. Announcing them once they
    /// are is part of it: `announce` times each.
    Own {
        /// The router.
        router: RouterId,
        /// Present or absent.
        own: bool,
        /// `garp_master_repeat`.
        announce: u32,
    },
    /// Announce the router's addresses that are present on working links, `times` each.
    Announce {
        /// The router.
        router: RouterId,
        /// How often each.
        times: u32,
    },
    /// Announce one address on each interface but the router's own, where they are present on working
    /// links.
    AnnounceElsewhere {
        /// The router.
        router: RouterId,
    },
    /// What would be boring from now on.
    Expect {
        /// The router.
        router: RouterId,
        /// `None`: everything is news.
        expectation: Option<Expectation>,
    },
    /// The state changed.
    Transition {
        /// The router.
        router: RouterId,
        /// From this state.
        from: State,
        /// To this state.
        to: State,
        /// Effective priority.
        priority: Priority,
        /// In words, for the log.
        why: Why,
    },
    /// A sync group changed as one: it stands after the transitions of its members, but before
    /// those of a start that ends in BACKUP, as keepalived tells it. That a group stops is not told.
    GroupTransition {
        /// The group.
        group: Name,
        /// To this state.
        to: State,
    },
    /// A master heard an advert of lower priority (`notify_master_rx_lower_pri`).
    LowerHeard {
        /// The router.
        router: RouterId,
    },
    /// The effective priority changed.
    PriorityChanged {
        /// The router.
        router: RouterId,
        /// To this.
        priority: Priority,
    },
    /// Something a person should know that is no transition.
    Remark {
        /// The router.
        router: RouterId,
        /// In words.
        what: String,
    },
}

/// An advert that needs no attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// Grows with each; never 0.
    pub generation: u32,
    /// The sender.
    pub source: IpAddr,
    /// Its header.
    pub header: Header,
    /// Remark bits to count with each match.
    pub remarks: u32,
}

/// Why a transition happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The instance started.
    Startup,
    /// The instance stops.
    Shutdown,
    /// No advert within Active_Down_Interval.
    MasterDown,
    /// The master resigned with priority 0.
    MasterResigned,
    /// The master's priority is lower than ours.
    Preempted,
    /// An advert with a higher priority.
    HigherPriority {
        /// The sender.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// An advert with our priority from a higher address.
    HigherAddress {
        /// The sender.
        source: IpAddr,
    },
    /// A fault appeared.
    Faulty(Fault),
    /// The last fault went away.
    Recovered,
    /// A tracked virtual address was removed by someone else.
    AddressLost {
        /// The address.
        address: Name,
    },
    /// An operator took the mastership away.
    Demoted,
    /// This process was late and another took over meanwhile.
    Late,
    /// Its sync group changes, for this member did.
    Synced {
        /// The member.
        member: Name,
    },
}
