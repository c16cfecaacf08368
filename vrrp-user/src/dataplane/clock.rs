//! When did a packet arrive, on the clock everything else uses.
use rustix::time::{ClockId, Timespec, clock_gettime};
use vrrp_common::time::Instant;

/// CLOCK_MONOTONIC now.
pub fn monotonic() -> Instant {
    Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
}

/// How long a tick of the kernel lasts, in nanoseconds: the coarse clock goes by it.
pub fn tick() -> u64 {
    nanos(rustix::time::clock_getres(ClockId::MonotonicCoarse))
}

/// CLOCK_REALTIME now, in nanoseconds; 0 before 1970.
pub fn realtime() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// An arrival stamped by the kernel on CLOCK_REALTIME, on CLOCK_MONOTONIC.
///
/// The realtime clock can be set between arrival and reading, so its word is taken only as far as
/// it can be true: the packet came after its queue was last seen empty, and before now.
pub fn arrival(stamped: Option<u64>, realtime: u64, now: Instant, last_empty: Instant) -> Instant {
    let Some(stamped) = stamped else {
        return now;
    };
    let waited = realtime.saturating_sub(stamped);
    let at = Instant::from_nanos(now.as_nanos().saturating_sub(waited));
    at.clamp(last_empty.min(now), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn an_arrival_lies_between_the_empty_queue_and_now() {
        // Waited 30 ns.
        assert_eq!(arrival(Some(1_000_070), 1_000_100, at(500), at(400)), at(470));
        // The clock was set forward by an hour meanwhile.
        assert_eq!(arrival(Some(70), 3_600_000_000_000, at(500), at(400)), at(400));
        // And back.
        assert_eq!(arrival(Some(1_000_070), 100, at(500), at(400)), at(500));
        // No stamp.
        assert_eq!(arrival(None, 100, at(500), at(400)), at(500));
    }

    #[test]
    fn clocks_run() {
        let before = monotonic();
        assert!(monotonic() >= before);
        assert!(realtime() > 1_600_000_000_000_000_000);
    }
}
