//! What time is it on the clock of timers and of the kernel's stamps, and on that of people.
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;
use vrrp_common::time::Instant;

/// CLOCK_MONOTONIC now.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Does nothing until then, or until a signal comes.
pub fn sleep_until(then: Instant) {
    let _interrupted = clock_nanosleep_absolute(ClockId::Monotonic, &timespec(then));
}

/// As system calls have it.
pub fn timespec(at: Instant) -> Timespec {
    let of = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
    let (tv_sec, tv_nsec) = (at.as_nanos() / 1_000_000_000, at.as_nanos() % 1_000_000_000);
    Timespec { tv_sec: of(tv_sec), tv_nsec: of(tv_nsec) }
}

/// Time since 1970 in UTC.
pub fn wall() -> Duration {
    let time = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Time since the machine was booted, sleep included.
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
