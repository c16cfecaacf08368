//! How do many independent cases run at once.
//!
//! The cases of these suites mostly wait for timers; one after the other they would take minutes,
//! and the test harness starts no more threads than there are processors.
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::stall;

/// A case: its name and what it does.
pub type Case<'a> = (String, Box<dyn FnOnce() + Send + 'a>);

/// A case from a name and a closure.
pub fn case<'a>(name: impl Into<String>, work: impl FnOnce() + Send + 'a) -> Case<'a> {
    (name.into(), Box::new(work))
}

/// Runs all cases, `width` at a time, and fails with the names of those that failed. With
/// `XVRRP_CASE` set, only cases whose name contains its value run.
#[track_caller]
pub fn run_all(width: usize, cases: Vec<Case<'_>>) {
    stall::watch();
    let only = std::env::var("XVRRP_CASE").unwrap_or_default();
    let waiting: VecDeque<_> = cases.into_iter().filter(|(name, _)| name.contains(&only)).collect();
    let waiting = Mutex::new(waiting);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((name, work)) = next else { return };
                    let start = Instant::now();
                    let thread = std::thread::Builder::new().name(name.clone());
                    let passed = std::thread::scope(|inner| {
                        thread.spawn_scoped(inner, work).is_ok_and(|case| case.join().is_ok())
                    });
                    let verdict = if passed { "ok" } else { "FAILED" };
                    eprintln!("case {name} ... {verdict} ({:.1?})", start.elapsed());
                    if !passed {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "failed cases: {failed:#?}");
}
