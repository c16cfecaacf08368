//! What did a router last go through, in the words of RFC 8347 section 4 (`last-event`,
//! `new-master-reason`, `up-datetime`)?
use super::output::Why;
use super::snapshot::{Reason, State};
use vrrp_common::time::Instant;

/// Leaf `last-event`: what caused the last change of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LastEvent {
    /// Nothing happened yet.
    #[default]
    Nothing,
    /// The router was started.
    Startup,
    /// The router was stopped.
    Shutdown,
    /// A better router was heard: of higher priority, or of equal priority and higher address.
    HigherPriorityBackup,
    /// Active_Down_Timer ended, also where it was set to Skew_Time because the master resigned.
    MasterTimeout,
    /// The interfaces the router needs work again.
    InterfaceUp,
    /// An interface the router needs stopped working.
    InterfaceDown,
    /// There is no address to send adverts from.
    NoPrimaryIpAddress,
    /// There is one again.
    PrimaryIpAddress,
    /// A virtual address was taken from the master.
    NoVirtualIpAddresses,
    /// The time a lower master was put up with (`preempt_delay`) is over.
    PreemptHoldTimeout,
    /// A lower master was replaced.
    LowerPriorityMaster,
    /// The owner of the addresses replaced another master.
    OwnerPreempt,
}

impl LastEvent {
    /// The identity's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "vrrp-event-none",
            Self::Startup => "vrrp-event-startup",
            Self::Shutdown => "vrrp-event-shutdown",
            Self::HigherPriorityBackup => "vrrp-event-higher-priority-backup",
            Self::MasterTimeout => "vrrp-event-master-timeout",
            Self::InterfaceUp => "vrrp-event-interface-up",
            Self::InterfaceDown => "vrrp-event-interface-down",
            Self::NoPrimaryIpAddress => "vrrp-event-no-primary-ip-address",
            Self::PrimaryIpAddress => "vrrp-event-primary-ip-address",
            Self::NoVirtualIpAddresses => "vrrp-event-no-virtual-ip-addresses",
            Self::PreemptHoldTimeout => "vrrp-event-preempt-hold-timeout",
            Self::LowerPriorityMaster => "vrrp-event-lower-priority-master",
            Self::OwnerPreempt => "vrrp-event-owner-preempt",
        }
    }
}

/// Leaf `new-master-reason` (RFC 6527: `vrrpv3StatisticsNewMasterReason`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NewMasterReason {
    /// It never became master.
    #[default]
    NotMaster,
    /// Its priority was the highest: it owns the addresses, it was told to start as master, or the
    /// master resigned.
    Priority,
    /// It preempted a lower master.
    Preempted,
    /// The master fell silent.
    NoResponse,
}

impl NewMasterReason {
    /// The name of the enumeration's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotMaster => "not-master",
            Self::Priority => "priority",
            Self::Preempted => "preempted",
            Self::NoResponse => "no-response",
        }
    }
}

/// What of a router's past the standard asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    /// The last event.
    pub event: LastEvent,
    /// Why it last became master.
    pub new_master: NewMasterReason,
    /// When it last left Initialize; nothing while it is there. Fault counts as Initialize, for the
    /// standard has no such state.
    pub up_since: Option<Instant>,
    /// Since when it counts.
    pub counts_since: Instant,
    /// Which protocol error was last counted (RFC 6527); the engine meets none itself.
    pub protocol_error: u8,
    /// The kind of its last fault.
    fault: Option<Reason>,
}

impl History {
    /// Of a router that was just made.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            event: LastEvent::default(),
            new_master: NewMasterReason::default(),
            up_since: None,
            counts_since: now,
            protocol_error: 0,
            fault: None,
        }
    }

    /// The state changes.
    pub(super) fn note(&mut self, now: Instant, to: State, why: &Why, preempts: Preempts) {
        self.event = match (why, preempts) {
            (Why::Startup, _) => LastEvent::Startup,
            // The standard knows no such event; its nearest is the end of the router.
            (Why::Shutdown | Why::Demoted, _) => LastEvent::Shutdown,
            (Why::MasterDown | Why::MasterResigned, _) => LastEvent::MasterTimeout,
            (Why::Preempted, Preempts::AsOwner) => LastEvent::OwnerPreempt,
            (Why::Preempted, Preempts::AfterDelay) => LastEvent::PreemptHoldTimeout,
            (Why::Preempted, Preempts::AtOnce) => LastEvent::LowerPriorityMaster,
            (Why::HigherPriority { .. } | Why::HigherAddress { .. } | Why::Late, _) => {
                LastEvent::HigherPriorityBackup
            }
            (Why::Faulty(fault), _) => match fault.reason {
                Reason::NoSource | Reason::SourceMissing => LastEvent::NoPrimaryIpAddress,
                // The standard knows no tracked object but interfaces.
                Reason::Interface
                | Reason::Dataplane
                | Reason::TrackedInterface
                | Reason::AddressInterface
                | Reason::RouteInterface
                | Reason::RuleInterface
                | Reason::StaticInterface
                | Reason::Script
                | Reason::File
                | Reason::Process
                | Reason::Awaited
                | Reason::Member => LastEvent::InterfaceDown,
            },
            (Why::Recovered, _) => match self.fault {
                Some(Reason::NoSource | Reason::SourceMissing) => LastEvent::PrimaryIpAddress,
                _ => LastEvent::InterfaceUp,
            },
            (Why::AddressLost { .. }, _) => LastEvent::NoVirtualIpAddresses,
            (Why::Synced { .. }, _) if to == State::Active => LastEvent::MasterTimeout,
            (Why::Synced { .. }, _) => LastEvent::HigherPriorityBackup,
        };
        if let Why::Faulty(fault) = why {
            self.fault = Some(fault.reason);
        }
        if to == State::Active {
            self.new_master = match why {
                Why::MasterDown => NewMasterReason::NoResponse,
                Why::Preempted => NewMasterReason::Preempted,
                _ => NewMasterReason::Priority,
            };
        }
        self.up_since = match to {
            State::Initialize | State::Fault => None,
            State::Backup | State::Active => self.up_since.or(Some(now)),
        };
    }
}

/// In which way a router would preempt at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preempts {
    /// Whatever is configured: it owns the addresses.
    AsOwner,
    /// It has put up with a lower master for a while, by configuration or by command.
    AfterDelay,
    /// Without further ado.
    AtOnce,
}
