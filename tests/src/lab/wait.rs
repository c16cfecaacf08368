//! How does a test wait: until a condition holds, never longer than a deadline.
use std::time::{Duration, Instant};

/// Asks `probe` until it answers, and panics naming `what` when `deadline` passes first.
#[track_caller]
pub fn eventually<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks `probe` for the whole of `period`, and panics with what it complains about.
#[track_caller]
pub fn throughout(period: Duration, what: &str, mut probe: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + period;
    while Instant::now() < end {
        if let Err(complaint) = probe() {
            panic!("{what}: {complaint}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
