//! Which time is it: CLOCK_MONOTONIC nanoseconds inside, centiseconds on the wire.
use bytemuck::{Pod, Zeroable};
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on CLOCK_MONOTONIC, the clock of `bpf_ktime_get_ns` and of `timerfd`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Instant(u64);

impl Instant {
    /// Boot: before anything that was ever heard.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the clock's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates after 584 years.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at zero.
    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

/// Max Advertise Interval as VRRPv3 carries it: 12 bits of centiseconds, 1 to 4095
/// (RFC 9568 section 5.2.7; zero is invalid by erratum 8301).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Centis(u16);

impl Centis {
    /// The largest interval the field can carry, 40.95 s.
    pub const MAX: Self = Self(4095);

    /// `None` for 0 and for more than 4095.
    pub const fn new(centis: u16) -> Option<Self> {
        if centis == 0 || centis > Self::MAX.0 { None } else { Some(Self(centis)) }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The same time as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}
