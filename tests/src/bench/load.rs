//! Where does load come from: masters that advertise at a set rate, and floods.
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::topology::{Bed, Which};
use super::wire::Sender;

/// The nice value of masters, after the loop of a daemon and before all else.
const NICE: i32 = -15;

/// Masters advertise in this many portions an interval at most, so that they are not all one burst.
const PORTIONS: usize = 10;

/// Nanoseconds since 1970, the clock of the kernel's timestamps.
pub fn realtime() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// What masters did.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// When each router's last advert left, in nanoseconds since 1970.
    pub last: HashMap<Which, u64>,
    /// Adverts the kernel took.
    pub adverts: u64,
    /// How often it refused one at first, for a flood had filled the cable.
    pub refused: u64,
    /// By how much the worst portion was late: what no backup can be blamed for.
    pub latest: Duration,
}

/// Masters of many routers.
pub struct Masters {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<Sent>>,
}

impl Masters {
    /// Starts them at `centis` with priority 200.
    pub fn start(bed: &Bed, routers: &[Which], centis: u16) -> Self {
        let mut by_port: Vec<Vec<Which>> = vec![Vec::new(); bed.ports.len()];
        for which in routers {
            by_port[usize::from(which.port)].push(*which);
        }
        let senders: Vec<(Sender, Vec<Which>)> = by_port
            .into_iter()
            .zip(&bed.ports)
            .map(|(list, dev)| {
                let frames = list.iter().map(|which| which.advert(200, centis)).collect();
                (Sender::open(&bed.peer, dev, frames), list)
            })
            .collect();
        let interval = Duration::from_millis(u64::from(centis) * 10);
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (end, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            // It stands for other machines, which have processors of their own. Where it may not go
            // first, the report shows adverts that came late.
            let _late = rustix::process::setpriority_process(None, NICE);
            advertise(&senders, interval, &end, &count)
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// Adverts sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// They die.
    pub fn stop(mut self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn advertise(
    senders: &[(Sender, Vec<Which>)],
    interval: Duration,
    stop: &AtomicBool,
    count: &AtomicU64,
) -> Sent {
    let mut sent = Sent::default();
    // By sender and portion.
    let mut last = vec![[0_u64; PORTIONS]; senders.len()];
    let portions = u32::try_from(PORTIONS).unwrap_or(1);
    let mut due = Instant::now();
    let mut portion = 0;
    while !stop.load(Ordering::Relaxed) {
        for (number, (sender, _)) in senders.iter().enumerate() {
            let mut range = part(sender.len(), portion);
            last[number][portion] = realtime();
            // A backup is to be blamed for what it does with an advert, not for one that never left.
            while !range.is_empty() && !stop.load(Ordering::Relaxed) {
                let taken = sender.send(range.clone());
                range.start += taken;
                sent.refused += u64::from(!range.is_empty());
                let taken = u64::try_from(taken).unwrap_or(0);
                sent.adverts += taken;
                count.fetch_add(taken, Ordering::Relaxed);
            }
        }
        portion = (portion + 1) % PORTIONS;
        due += interval / portions;
        let now = Instant::now();
        if due > now {
            std::thread::sleep(due - now);
        } else {
            sent.latest = sent.latest.max(now - due);
            // Masters that were late do not hurry afterwards.
            if now - due > interval {
                due = now;
            }
        }
    }
    for ((_, list), times) in senders.iter().zip(&last) {
        for (portion, at) in times.iter().enumerate() {
            for which in &list[part(list.len(), portion)] {
                sent.last.insert(*which, *at);
            }
        }
    }
    sent
}

fn part(len: usize, portion: usize) -> std::ops::Range<usize> {
    len * portion / PORTIONS..len * (portion + 1) / PORTIONS
}

/// As many frames as one thread can send.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<(u64, Duration)>>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Sends `frames` in turn on the first cable until stopped.
    pub fn start(bed: &Bed, frames: Vec<Vec<u8>>) -> Self {
        let sender = Sender::open(&bed.peer, &bed.ports[0], frames);
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(Mutex::default());
        let (end, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let (begun, mut total) = (Instant::now(), 0);
            while !end.load(Ordering::Relaxed) {
                total += u64::try_from(sender.send(0..sender.len())).unwrap_or(0);
            }
            *count.lock().unwrap_or_else(PoisonError::into_inner) = (total, begun.elapsed());
        });
        Self { stop, sent, thread: Some(thread) }
    }

    /// Ends it; how many frames were sent, in how long.
    pub fn stop(mut self) -> (u64, Duration) {
        self.join();
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.join();
    }
}
