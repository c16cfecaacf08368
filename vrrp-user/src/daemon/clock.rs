//! What time is it on the clock of timers and of the kernel's stamps.
use rustix::time::{ClockId, clock_gettime};
use vrrp_common::time::Instant;

/// CLOCK_MONOTONIC now.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
