//! How many processes of each tracked kind run now.
//!
//! A thread of its own: what it reads under /proc may keep it waiting for a process whose memory
//! is locked. Where the kernel tells of processes it is listened to; else, and whenever something
//! it told was lost, all of them are looked at.
use super::Deliver;
use super::connector::{Connector, Event};
use super::roster::{Called, Roster};
use crate::config::tracked::TrackedProcess;
use crate::daemon::mailbox::{self, Inbox, Sender};
use crate::engine::input::Input;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at all processes where the kernel tells nothing.
const SCAN: Duration = Duration::from_millis(250);
/// Looking takes no more than this part of the time.
const SCAN_SHARE: u32 = 20;
/// Between two looks where it does: for what nobody has thought of.
const RESCAN: Duration = Duration::from_secs(60);
/// Between two rounds, so that a storm of processes is counted and not told one by one.
const PAUSE: Duration = Duration::from_millis(1);
/// The longest command line that is compared.
const LINE: u64 = 64 << 10;

/// The other end of the thread that counts.
#[derive(Debug)]
pub struct Handle {
    wanted: Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Watch(Vec<Arc<TrackedProcess>>),
    Stop,
}

impl Handle {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread or descriptor left.
    pub fn start(deliver: Arc<dyn Deliver>) -> std::io::Result<Self> {
        let (wanted, inbox) = mailbox::channel()?;
        std::thread::Builder::new()
            .name("processes".to_owned())
            .spawn(move || Counter::new().serve(&inbox, &*deliver))?;
        Ok(Self { wanted })
    }

    /// Counts these from now on.
    pub fn watch(&self, tracked: Vec<Arc<TrackedProcess>>) {
        if !self.wanted.send(Message::Watch(tracked)) {
            tracing::error!("the thread that counts processes has ended");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wanted.send(Message::Stop);
    }
}

struct Counter {
    connector: Option<Connector>,
    roster: Roster,
    told: Vec<Option<u32>>,
    /// When all are to be looked at.
    due: Instant,
}

impl Counter {
    fn new() -> Self {
        let connector = Connector::open()
            .inspect_err(|e| {
                tracing::warn!(
                    "the kernel tells of no process here ({e}): tracked processes are looked for \
                     every {} ms",
                    SCAN.as_millis()
                );
            })
            .ok();
        Self { connector, ..Self::scanning() }
    }

    /// One that hears nothing.
    fn scanning() -> Self {
        let now = Instant::now();
        Self { connector: None, roster: Roster::default(), told: Vec::new(), due: now }
    }

    fn serve(mut self, inbox: &Inbox<Message>, deliver: &dyn Deliver) {
        loop {
            if let Err(e) = self.wait(inbox) {
                return tracing::error!("processes are counted no longer: {e}");
            }
            inbox.quiet();
            while let Some(message) = inbox.take() {
                match message {
                    Message::Watch(tracked) => {
                        self.told = vec![None; tracked.len()];
                        self.roster = Roster::new(tracked);
                        self.due = Instant::now();
                    }
                    Message::Stop => return,
                }
            }
            self.listen();
            if self.due <= Instant::now() {
                self.scan();
            }
            let counts = self.roster.counts();
            let tracked = self.roster.tracked().iter().zip(&mut self.told);
            for ((tracked, told), count) in tracked.zip(counts) {
                if *told != Some(count) {
                    *told = Some(count);
                    deliver(Input::Processes { name: tracked.name.clone(), count });
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn wait(&self, inbox: &Inbox<Message>) -> std::io::Result<()> {
        let left = self.due.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(std::io::Error::other)?;
        let mut ready = vec![PollFd::new(inbox, PollFlags::IN)];
        ready.extend(self.connector.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
        match poll(&mut ready, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes in what the kernel told.
    fn listen(&mut self) {
        let Self { connector, roster, .. } = self;
        let Some(connector) = connector else { return };
        let lines = roster.needs_lines();
        let lost = connector.drain(|event| match event {
            Event::Listening => {}
            Event::Fork { parent, child } => roster.forked(parent, child),
            Event::Name(process) => match called(process, lines) {
                Some(called) => roster.is_called(process, &called),
                None => roster.ended(process),
            },
            Event::Exit(process) => roster.ended(process),
        });
        if let Err(e) = lost {
            tracing::warn!("news of processes was lost ({e}): all are looked at");
            self.due = Instant::now();
        }
    }

    fn scan(&mut self) {
        let start = Instant::now();
        scan(&mut self.roster);
        let pause = match self.connector {
            Some(_) => RESCAN,
            None => SCAN.max(start.elapsed() * SCAN_SHARE),
        };
        self.due = Instant::now() + pause;
    }
}

/// Looks at every process there is.
fn scan(roster: &mut Roster) {
    roster.clear();
    if roster.tracked().is_empty() {
        return;
    }
    let lines = roster.needs_lines();
    let entries = match std::fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(e) => return tracing::error!("/proc: {e}"),
    };
    for entry in entries.flatten() {
        let process = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(process) = process
            && let Some(called) = called(process, lines)
        {
            roster.is_called(process, &called);
        }
    }
}

/// What a process is called, if it runs.
fn called(process: u32, lines: bool) -> Option<Called> {
    // "PID (name) state ...": the name may hold anything, brackets too.
    let stat = read(&format!("/proc/{process}/stat"))?;
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    if matches!(stat.get(close + 2)?, b'Z' | b'X') {
        return None;
    }
    let name = stat.get(open + 1..close)?.to_vec();
    let line = if lines { read(&format!("/proc/{process}/cmdline"))? } else { Vec::new() };
    Some(Called { name, line })
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(path).ok()?.take(LINE).read_to_end(&mut text).ok()?;
    Some(text)
}

/// How many there are of each of `tracked` now.
pub(super) fn count_all(tracked: &[Arc<TrackedProcess>]) -> Vec<Input> {
    let mut roster = Roster::new(tracked.to_vec());
    scan(&mut roster);
    let counts = roster.counts();
    let named = tracked.iter().zip(counts);
    named.map(|(tracked, count)| Input::Processes { name: tracked.name.clone(), count }).collect()
}

#[cfg(test)]
mod tests;
