//! How late is this machine itself.
//!
//! A takeover is late by what the daemon loses and by what the machine loses: on a machine that
//! cannot run a thread for a tenth of a second nothing can be on time. The meter asks for a short
//! sleep again and again, and the worst oversleep is what no daemon could have made up for.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Stalls of at least this are kept; anything below is noise.
const NOTABLE: Duration = Duration::from_millis(10);
const SLEEP: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Record {
    started: AtomicBool,
    stalls: Mutex<Vec<(u64, u64)>>,
}

fn record() -> &'static Record {
    static RECORD: OnceLock<Record> = OnceLock::new();
    RECORD.get_or_init(Record::default)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Starts the meter, once for the whole process.
pub fn watch() {
    let record = record();
    if record.started.swap(true, Ordering::Relaxed) {
        return;
    }
    std::thread::spawn(move || {
        loop {
            let (from, asked) = (now(), Instant::now());
            std::thread::sleep(SLEEP);
            let late = asked.elapsed().saturating_sub(SLEEP);
            if late >= NOTABLE
                && let Ok(mut stalls) = record.stalls.lock()
            {
                stalls.push((from, now()));
            }
        }
    });
}

/// For how long, at worst, nothing ran at a moment between two times (nanoseconds since 1970).
pub fn worst(from: u64, to: u64) -> Duration {
    let stalls = record().stalls.lock();
    let stalls = stalls.as_deref().map(Vec::as_slice).unwrap_or_default();
    let within = stalls.iter().filter(|(start, end)| *start < to && *end > from);
    Duration::from_nanos(within.map(|(start, end)| end - start).max().unwrap_or(0))
}

/// What a case panics with when something came later than it should have, though it came: the only
/// failure a busy machine can cause.
#[derive(Clone, Copy, Debug)]
pub struct Late;

/// Gives up a case because of lateness, in words.
pub fn late(what: &str) -> ! {
    eprintln!("late: {what}");
    std::panic::panic_any(Late)
}
