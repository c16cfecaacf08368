//! How long may a master be silent, in exact nanoseconds.
//!
//! Centiseconds would make every skew of a one-centisecond router zero, and with it every tie.
use std::time::Duration;
use vrrp_common::ident::{Priority, Version};
use vrrp_common::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// A duration as nanoseconds, saturating after 584 years.
const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(SECOND).saturating_add(duration.subsec_nanos() as u64)
}

/// Skew_Time: the better the priority, the sooner a backup takes over.
pub const fn skew(version: Version, interval: Duration, priority: Priority) -> Duration {
    let missing = 256 - priority.0 as u64;
    match version {
        // RFC 3768 section 6.1: (256 - Priority) / 256 seconds, whatever the interval.
        Version::V2 => Duration::from_nanos(missing * SECOND / 256),
        // RFC 9568 section 6.1: ((256 - Priority) * Active_Adver_Interval) / 256.
        Version::V3 => Duration::from_nanos(nanos(interval).saturating_mul(missing) / 256),
    }
}

/// Active_Down_Interval: `adverts` intervals (3 in every RFC) and the skew.
pub const fn down_interval(
    version: Version,
    interval: Duration,
    priority: Priority,
    adverts: u8,
) -> Duration {
    let silence = nanos(interval).saturating_mul(adverts as u64);
    Duration::from_nanos(silence.saturating_add(nanos(skew(version, interval, priority))))
}

/// The first point after `now` that is whole periods after `deadline`: a timer that was served late
/// neither drifts nor catches up with a burst.
pub const fn next_period(deadline: Instant, period: Duration, now: Instant) -> Instant {
    let period = match nanos(period) {
        0 => 1,
        period => period,
    };
    let late = now.as_nanos().saturating_sub(deadline.as_nanos());
    let step = (late / period + 1).saturating_mul(period);
    Instant::from_nanos(deadline.as_nanos().saturating_add(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_timer_keeps_its_phase_and_skips_what_it_missed() {
        let at = Instant::from_nanos;
        let period = Duration::from_nanos(10);
        assert_eq!(next_period(at(100), period, at(100)), at(110));
        assert_eq!(next_period(at(100), period, at(109)), at(110));
        assert_eq!(next_period(at(100), period, at(110)), at(120));
        assert_eq!(next_period(at(100), period, at(157)), at(160));
        assert_eq!(next_period(at(100), Duration::ZERO, at(100)), at(101));
    }

    #[test]
    fn version_2_does_not_scale_the_skew_with_the_interval() {
        let ten = Duration::from_secs(10);
        assert_eq!(skew(Version::V2, ten, Priority(100)), Duration::from_nanos(609_375_000));
        assert_eq!(skew(Version::V3, ten, Priority(100)), Duration::from_nanos(6_093_750_000));
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let longest = Duration::from_millis(40_950);
        assert_eq!(
            skew(Version::V3, longest, Priority(1)),
            Duration::from_nanos(40_790_039_062) // 40 790 039 062.5
        );
        let forever = down_interval(Version::V3, Duration::MAX, Priority(1), 255);
        assert_eq!(forever, Duration::from_nanos(u64::MAX));
    }
}
