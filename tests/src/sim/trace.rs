//! What happened in a run, for a person to read, and how to see it again.
use std::env;
use std::fmt::Write;
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

/// Runs a law over many seeds, or over the one of `XVRRP_SEED`. Panics at the first that breaks it,
/// with the trace of the run and the command that repeats it.
pub fn hold(test: &str, default: u64, law: impl Fn(u64, &mut Trace) -> Result<(), String>) {
    let one: Option<u64> = env::var("XVRRP_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = match one {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..seeds(default),
    };
    for seed in seeds {
        if law(seed, &mut Trace::default()).is_ok() {
            continue;
        }
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
