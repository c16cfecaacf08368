//! Can a router hear and speak.
use vrrp_common::ident::Priority;

/// Whether a router can hear and speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It was not tried yet.
    Unknown,
    /// It can.
    Found,
    /// It could, and cannot any more.
    Lost,
    /// It never could, so it has nothing to take back.
    Never,
}

impl Place {
    /// After a trial.
    pub(super) const fn tried(self, works: bool) -> Self {
        match (works, self) {
            (true, _) => Self::Found,
            (false, Self::Found | Self::Lost) => Self::Lost,
            (false, Self::Unknown | Self::Never) => Self::Never,
        }
    }

    /// Whether an advert of this priority may leave. Of a router without a place the engine is told
    /// that at once, but what it asked for before must not happen.
    pub(super) const fn says(self, priority: Priority) -> bool {
        match self {
            Self::Unknown | Self::Found => true,
            Self::Lost => priority.0 == Priority::RELEASE.0,
            Self::Never => false,
        }
    }

    /// Whether a router may be the master.
    pub(super) const fn works(self) -> bool {
        matches!(self, Self::Unknown | Self::Found)
    }
}
