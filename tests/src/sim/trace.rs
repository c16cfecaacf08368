//! What happened in a run, for a person to read, and how to see it again.
use std::env;
use std::fmt::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use vrrp_common::time::Instant;

/// Lines with times; empty unless someone wants to read them.
#[derive(Default)]
pub struct Trace {
    wanted: bool,
    lines: Vec<String>,
}

impl Trace {
    /// One that is kept.
    pub fn wanted() -> Self {
        Self { wanted: true, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn note(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.wanted {
            let micros = now.as_nanos() / 1000;
            let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
            self.lines.push(format!("{seconds:>6}.{micros:06} {}", line()));
        }
    }
}

/// How many seeds to try where `XVRRP_SEEDS` says nothing else.
pub fn seeds(default: u64) -> u64 {
    env::var("XVRRP_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a law over many seeds, on every processor, or over the one of `XVRRP_SEED`. Panics where one
/// breaks it, with the trace of the run and the command that repeats it.
pub fn hold(test: &str, default: u64, law: impl Fn(u64, &mut Trace) -> Result<(), String> + Sync) {
    let one: Option<u64> = env::var("XVRRP_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = match one {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..seeds(default),
    };
    if let Some(seed) = breaks(seeds, |seed| law(seed, &mut Trace::default()).is_err()) {
        let mut trace = Trace::wanted();
        let broken = law(seed, &mut trace).err();
        let mut text = String::new();
        for line in trace.lines {
            let _ = writeln!(text, "{line}");
        }
        let broken = broken.as_deref().unwrap_or("but not when it was run again");
        panic!(
            "{text}\nseed {seed}: {broken}\nagain: \
             XVRRP_SEED={seed} cargo test -p vrrp-tests --test sim {test}"
        );
    }
}

/// A seed for which `broken` says so, if there is one.
fn breaks(seeds: Range<u64>, broken: impl Fn(u64) -> bool + Sync) -> Option<u64> {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None));
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if broken(seed) {
                // The others end with the seed they are at.
                next.store(seeds.end, Ordering::Relaxed);
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                *found = Some(found.map_or(seed, |other: u64| other.min(seed)));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(search);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_seed_is_found_and_every_seed_is_tried() {
        let tried = AtomicU64::new(0);
        let count = |_| {
            tried.fetch_add(1, Ordering::Relaxed);
            false
        };
        assert_eq!(breaks(5..105, count), None);
        assert_eq!(tried.load(Ordering::Relaxed), 100);
        assert_eq!(breaks(0..100, |seed| seed == 99), Some(99));
        assert_eq!(breaks(0..0, |_| true), None);
    }
}
