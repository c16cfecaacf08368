//! What is every router doing: a copy for reports.
use super::history::History;
use crate::config::model::{Instance, Name};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::time::Instant;

/// States of RFC 9568 section 6.3, and Fault. Active is shown as MASTER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Not started.
    Initialize,
    /// Another router is the master, or soon will be known to be.
    Backup,
    /// Master.
    Active,
    /// At least one fault.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Active => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Why a router cannot take part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fault {
    /// What kind.
    pub reason: Reason,
    /// The interface, address or route it is about.
    pub object: Name,
}

/// Kinds of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The instance's own interface is down or missing.
    Interface,
    /// The instance's own interface has no address to send from.
    NoSource,
    /// There is no place for it in the dataplane or the sockets of its interface.
    Dataplane,
    /// An interface under `track_interface` without weight is down or missing.
    TrackedInterface,
    /// The interface of a virtual address is down or missing.
    AddressInterface,
    /// The interface of a virtual route is down or missing.
    RouteInterface,
}

/// One router.
#[derive(Clone, Debug)]
pub struct RouterSnapshot {
    /// Its number.
    pub id: RouterId,
    /// Its configuration.
    pub instance: Arc<Instance>,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Its faults.
    pub faults: BTreeSet<Fault>,
    /// Priority after tracking.
    pub effective_priority: Priority,
    /// The parts of the effective priority beside the configured one: (interface, weight applied).
    pub weights: Vec<(Name, i16)>,
    /// Address its adverts come from.
    pub source: Option<IpAddr>,
    /// Who was last heard as master (RFC 8347 `last-adv-source`).
    pub master: Option<IpAddr>,
    /// Priority of that master.
    pub master_priority: Option<Priority>,
    /// Active_Adver_Interval.
    pub master_interval: Duration,
    /// Skew_Time.
    pub skew: Duration,
    /// Active_Down_Interval.
    pub down_interval: Duration,
    /// When its next timer ends.
    pub deadline: Option<Instant>,
    /// Until when it preempts no living master, for an operator demoted it.
    pub held_until: Option<Instant>,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts with priority 0 sent.
    pub priority_zero_sent: u64,
    /// Times it became master (RFC 8347 `master-transitions`).
    pub became_master: u64,
    /// Times it stopped being master.
    pub released_master: u64,
    /// The past, as the standards ask for it.
    pub history: History,
    /// By [`Instance::vips`]: events that would have been a fault without `no_track`.
    pub prevented: Vec<u64>,
}
