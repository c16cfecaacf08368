//! What is every router doing: a copy for reports.
use super::history::History;
use crate::config::model::{Instance, Name};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
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
    /// The interface, address, route, script, file, process or member it is about.
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
    /// An interface of a virtual rule is down or missing.
    RuleInterface,
    /// The interface of a static address, route or rule of its `track_group` is down or missing.
    StaticInterface,
    /// The source address under `track_src_ip` is not on the interface.
    SourceMissing,
    /// A script under `track_script` without weight fails.
    Script,
    /// A file under `track_file` says so.
    File,
    /// Too few or too many processes under `track_process` without weight run.
    Process,
    /// Nothing is known yet of a tracked object. A router with no other fault than this has not
    /// started: no transition says that it waits.
    Awaited,
    /// Another member of the sync group has a fault of its own.
    Member,
}

/// Kinds of tracked objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `track_interface`.
    Interface,
    /// `track_script`.
    Script,
    /// `track_file`.
    File,
    /// `track_process`.
    Process,
}

/// What one tracked object adds to the priority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weight {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub object: Name,
    /// So much.
    pub amount: i16,
    /// What is known of it.
    pub known: Option<Known>,
}

/// What is known of what a fault or a weight comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// A script.
    Script {
        /// Nothing before its first result.
        good: Option<bool>,
        /// Results in a row that say otherwise.
        against: u32,
        /// So many of them change it.
        needed: u32,
    },
    /// A file.
    File {
        /// Where it is.
        path: PathBuf,
        /// What it holds; nothing before that was told.
        value: Option<i64>,
    },
    /// Processes.
    Process {
        /// How many run; nothing before that was told.
        count: Option<u32>,
        /// So many should at least.
        quorum: u32,
        /// And at most.
        quorum_max: Option<u32>,
        /// The count is another than counts: it has not lasted for its delay.
        changes: bool,
    },
    /// A member of the sync group: its own faults.
    Member(BTreeSet<Fault>),
}

/// One sync group.
#[derive(Clone, Debug)]
pub struct GroupSnapshot {
    /// Its name.
    pub name: Name,
    /// The state of all of its members.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Its members, in the order of the configuration.
    pub members: Vec<Name>,
    /// Members that have faults of their own.
    pub faulty: Vec<Name>,
    /// Members that could be master, but wait for others.
    pub ready: Vec<Name>,
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
    /// Its faults, those of other members of its sync group included.
    pub faults: BTreeSet<Fault>,
    /// What is known of what they come from.
    pub known: Vec<(Fault, Known)>,
    /// It would have started, had it not to wait for what it tracks.
    pub waits: bool,
    /// Its sync group.
    pub group: Option<Name>,
    /// It could be master, but others of its group could not.
    pub ready: bool,
    /// Priority after tracking.
    pub effective_priority: Priority,
    /// The parts of the effective priority beside the configured one.
    pub weights: Vec<Weight>,
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

impl RouterSnapshot {
    /// The state as it is shown: keepalived calls a router that waits for what it tracks FAULT, too.
    pub fn shown(&self) -> State {
        if self.waits { State::Fault } else { self.state }
    }
}
