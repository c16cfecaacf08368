//! How does a scripted peer keep its rhythm.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::socket::RawSocket;

/// A thread that sends until it is stopped or dropped.
#[derive(Debug)]
pub struct Beat {
    stop: Arc<AtomicBool>,
    ticks: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Beat {
    /// Every `interval` the next of `bursts`, over and over; a burst is sent at once.
    pub fn start(socket: RawSocket, interval: Duration, bursts: Vec<Vec<Vec<u8>>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ticks = Arc::new(AtomicU64::new(0));
        let (stopped, ticked) = (Arc::clone(&stop), Arc::clone(&ticks));
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now();
            for burst in bursts.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                for frame in burst {
                    socket.send(frame);
                }
                ticked.fetch_add(1, Ordering::Relaxed);
                next += interval;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Self { stop, ticks, thread: Some(thread) }
    }

    /// One frame, over and over.
    pub fn of(socket: RawSocket, interval: Duration, frame: Vec<u8>) -> Self {
        Self::start(socket, interval, vec![vec![frame]])
    }

    /// Bursts sent so far.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Stops and returns how many bursts were sent.
    pub fn stop(mut self) -> u64 {
        self.join();
        self.ticks()
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.join();
    }
}
