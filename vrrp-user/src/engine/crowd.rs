//! When do routers that became master together advertise for the second time.
//!
//! RFC 9568 section 6.4.2 sets Adver_Timer to Advertisement_Interval. Thousands that take over from one
//! dead machine would be due together from then on, in bursts that are longer than the rings of network
//! cards and take several milliseconds, so that none but the first is ever punctual. Therefore the first
//! period of such a crowd is shorter, another part of the interval for each group of it. No period is
//! ever longer than the interval, and every later one is exactly it.
use std::time::Duration;
use vrrp_common::time::Instant;

/// Routers that are due together. Fewer that take over are left as the RFC has them.
const GROUP: u32 = 64;
/// Each group wakes the process once an interval, so there are no more of them than this leaves room for:
/// 16 at a centisecond. Thousands of routers at so short an interval are due together by hundreds.
const APART: Duration = Duration::from_micros(625);
/// 2^32 over the golden ratio: however many groups there are, they are spread evenly.
const STEP: u32 = 2_654_435_769;

/// Routers that became master one soon after the other.
#[derive(Clone, Default)]
pub(super) struct Crowd {
    last: Instant,
    routers: u32,
}

impl Crowd {
    /// The first period of a router that becomes master now.
    pub(super) fn first_period(&mut self, now: Instant, interval: Duration) -> Duration {
        if now.since(self.last) > interval {
            self.routers = 0;
        }
        self.last = now;
        let groups = u32::try_from(interval.as_nanos() / APART.as_nanos()).unwrap_or(u32::MAX);
        let group = self.routers / GROUP % groups.max(1);
        self.routers = self.routers.saturating_add(1);
        let earlier = (interval.as_nanos() * u128::from(group.wrapping_mul(STEP))) >> 32;
        // Less than the interval, which is less than a minute.
        interval - Duration::from_nanos(u64::try_from(earlier).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    fn periods(crowd: &mut Crowd, routers: u32, apart: Duration) -> Vec<(Instant, Duration)> {
        let mut now = crowd.last + Duration::from_secs(60);
        let mut periods = Vec::new();
        for _ in 0..routers {
            periods.push((now, crowd.first_period(now, INTERVAL)));
            now = now + apart;
        }
        periods
    }

    #[test]
    fn few_have_the_whole_interval() {
        let mut crowd = Crowd::default();
        for _ in 0..3 {
            let few = periods(&mut crowd, GROUP, Duration::from_micros(1));
            assert!(few.iter().all(|(_, period)| *period == INTERVAL));
        }
        // Neither are many a crowd that come one after the other.
        let slow = periods(&mut crowd, 10 * GROUP, INTERVAL + Duration::from_nanos(1));
        assert!(slow.iter().all(|(_, period)| *period == INTERVAL));
    }

    /// At whatever pace they come, in no tenth of an interval are much more due than a tenth of them.
    #[test]
    fn many_are_spread() {
        for apart in [0, 1, 10, 100, 1_000, 15_625, 156_250, 1_000_000].map(Duration::from_nanos) {
            for routers in [4_080, 16_320] {
                let all = periods(&mut Crowd::default(), routers, apart);
                let mut tenths = [0_u32; 10];
                for (now, period) in all {
                    assert!(period <= INTERVAL && period > Duration::ZERO);
                    let phase = (now + period).as_nanos() % 10_000_000;
                    tenths[usize::try_from(phase / 1_000_000).unwrap()] += 1;
                }
                let most = tenths.iter().max().unwrap();
                assert!(*most <= routers / 10 * 2, "{apart:?} {routers}: {tenths:?}");
            }
        }
    }
}
