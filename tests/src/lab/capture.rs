//! What was on the wire, and when.
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::decode::{Frame, SeenAdvert};
use super::socket::RawSocket;

#[derive(Debug, Default)]
struct Tape {
    frames: Mutex<Vec<Frame>>,
    more: Condvar,
    stop: AtomicBool,
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running capture; ends on drop.
#[derive(Debug)]
pub struct Capture {
    tape: Arc<Tape>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Records what `socket` receives.
    pub fn start(socket: RawSocket) -> Self {
        let tape = Arc::new(Tape::default());
        let writer = Arc::clone(&tape);
        let thread = std::thread::spawn(move || {
            while !writer.stop.load(Ordering::Relaxed) {
                if let Some((at, bytes)) = socket.receive() {
                    writer.lock().push(Frame { at, bytes });
                    writer.more.notify_all();
                }
            }
        });
        Self { tape, thread: Some(thread) }
    }

    /// How many frames so far: a mark to look from later.
    pub fn mark(&self) -> usize {
        self.tape.lock().len()
    }

    /// What `pick` makes of the frames since `mark`.
    pub fn since<T>(&self, mark: usize, pick: impl Fn(&Frame) -> Option<T>) -> Vec<T> {
        self.tape.lock().iter().skip(mark).filter_map(pick).collect()
    }

    /// Adverts from `source` since `mark`.
    pub fn adverts(&self, mark: usize, source: &str) -> Vec<SeenAdvert> {
        let source = address(source);
        self.since(mark, Frame::advert).into_iter().filter(|a| a.source == source).collect()
    }

    /// When `announced` was announced since `mark`.
    pub fn announcements(&self, mark: usize, announced: &str) -> Vec<u64> {
        let announced = address(announced);
        self.since(mark, |frame| (frame.announces()? == announced).then_some(frame.at))
    }

    /// Waits until `pick` finds something among the frames since `mark`.
    #[track_caller]
    pub fn wait<T>(
        &self,
        mark: usize,
        deadline: Duration,
        what: &str,
        pick: impl Fn(&Frame) -> Option<T>,
    ) -> T {
        let end = Instant::now() + deadline;
        let mut at = mark;
        let mut frames = self.tape.lock();
        loop {
            if let Some(found) = frames.iter().skip(at).find_map(&pick) {
                return found;
            }
            at = frames.len().max(mark);
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not on the wire within {deadline:?}: {what}");
            let woken = self.tape.more.wait_timeout(frames, left);
            (frames, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for an advert from `source` since `mark` that `test` likes.
    #[track_caller]
    pub fn wait_advert(
        &self,
        mark: usize,
        source: &str,
        deadline: Duration,
        test: impl Fn(&SeenAdvert) -> bool,
    ) -> SeenAdvert {
        let from = address(source);
        let what = format!("an advert from {source}");
        self.wait(mark, deadline, &what, |frame| {
            frame.advert().filter(|advert| advert.source == from && test(advert))
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.tape.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An address a test wrote.
#[track_caller]
pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
