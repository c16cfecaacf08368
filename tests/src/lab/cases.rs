//! How do many independent cases run at once.
//!
//! The cases of these suites mostly wait for timers; one after the other they would take minutes,
//! and the test harness starts no more threads than there are processors.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::stall::{self, Late};

/// A case: its name and what it does.
pub type Case<'a> = (String, Box<dyn Fn() + Send + Sync + 'a>);

/// A case from a name and a closure.
pub fn case<'a>(name: impl Into<String>, work: impl Fn() + Send + Sync + 'a) -> Case<'a> {
    (name.into(), Box::new(work))
}

/// Runs all cases, `width` at a time, and fails with the names of those that failed. One that was
/// [`Late`] among the others is run again alone. With
/// `XVRRP_CASE` set, only cases whose name contains its value run.
#[track_caller]
pub fn run_all(width: usize, cases: Vec<Case<'_>>) {
    stall::watch();
    let only = std::env::var("XVRRP_CASE").unwrap_or_default();
    let waiting: VecDeque<_> = cases.into_iter().filter(|(name, _)| name.contains(&only)).collect();
    let waiting = Mutex::new(waiting);
    let failed = Mutex::new(Vec::new());
    let late = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let next = lock(&waiting).pop_front();
                    let Some((name, work)) = next else { return };
                    let start = Instant::now();
                    let outcome = attempt(&name, &*work);
                    eprintln!("case {name} ... {outcome:?} ({:.1?})", start.elapsed());
                    match outcome {
                        Outcome::Passed => {}
                        Outcome::Late => lock(&late).push((name, work)),
                        Outcome::Failed => lock(&failed).push(name),
                    }
                }
            });
        }
    });
    // With the machine to itself nothing has an excuse.
    for (name, work) in std::mem::take(&mut *lock(&late)) {
        let outcome = attempt(&name, &*work);
        eprintln!("case {name} ... was late, and alone {outcome:?}");
        if outcome != Outcome::Passed {
            lock(&failed).push(name);
        }
    }
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "failed cases: {failed:#?}");
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Passed,
    Late,
    Failed,
}

fn attempt(name: &str, work: &(dyn Fn() + Send + Sync)) -> Outcome {
    // A panic is the case's answer; what it left half done is its own.
    let thread = std::thread::Builder::new().name(name.to_owned());
    std::thread::scope(|scope| {
        let case = thread.spawn_scoped(scope, move || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        });
        match case.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(Ok(()))) => Outcome::Passed,
            Ok(Ok(Err(panic))) if panic.is::<Late>() => Outcome::Late,
            _ => Outcome::Failed,
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn only_lateness_is_tried_again_and_once() {
        let tries = AtomicU32::new(0);
        run_all(
            2,
            vec![case("late at first", || {
                if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                    stall::late("on purpose");
                }
            })],
        );
        assert_eq!(tries.load(Ordering::Relaxed), 2);
        for (expected, panics) in [(2, stall::late as fn(&str) -> !), (1, |_| panic!("wrong"))] {
            let tries = AtomicU32::new(0);
            let run = || {
                run_all(
                    1,
                    vec![case("never good", || {
                        tries.fetch_add(1, Ordering::Relaxed);
                        panics("on purpose")
                    })],
                );
            };
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
            assert_eq!(tries.load(Ordering::Relaxed), expected);
        }
    }
}
