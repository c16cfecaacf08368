//! How are captured frames shown to a client, at nobody else's expense.
//!
//! A thread of its own, behind all others that want a processor, looks many times a second and writes
//! what there is. One client is served at a time; whoever does not read, or is gone, ends the capture.
use super::answers::{ask, text, unknown};
use super::protocol::{Answer, Verdict};
use crate::config::model::Name;
use crate::daemon::questions::{Capture, Question};
use crate::daemon::service::Handle;
use crate::dataplane::clock;
use crate::dataplane::mirror::{self, Look, Shown};
use crate::report::capture::{Frame, Link, hex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::netdevice::index_to_name;
use rustix::net::{AddressFamily, SocketType, socket};
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use vrrp_common::mirror::wanted;

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(20);

/// How long the client may take to read what one look has found.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much is written at once: less than a socket takes in.
const PART: usize = 64 << 10;

/// What the clock of people may differ from where it was expected, in nanoseconds, until it counts as
/// set: reading both clocks takes a moment, and frames must not change their order by it.
const UNSET: u64 = 1_000_000;

/// Behind whatever is not as patient.
const NICE: i32 = 10;

/// Captures at once.
static CAPTURES: Semaphore = Semaphore::const_new(1);

/// Captures that have not told their clients of the end: one, and those who end when it begins.
static UNTOLD: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the daemon waits for them.
const FAREWELL: Duration = Duration::from_millis(200);

/// Waits a moment until whoever captures was told that the daemon ends.
pub async fn told() {
    let end = Instant::now() + FAREWELL;
    while UNTOLD.load(Ordering::Acquire) > 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A capture that may begin.
#[derive(Debug)]
pub(super) struct Begun {
    capture: Capture,
    turn: SemaphorePermit<'static>,
}

/// Asks the loop for one.
///
/// # Errors
/// In words, for the client.
pub(super) async fn begin(
    instance: Option<String>,
    verdict: Verdict,
    handle: &Handle,
) -> Result<Begun, String> {
    let turn = CAPTURES
        .try_acquire()
        .map_err(|_| "someone else is capturing, and one can at a time".to_owned())?;
    let verdicts = match verdict {
        Verdict::All => wanted::ACCEPTED | wanted::REJECTED,
        Verdict::Accepted => wanted::ACCEPTED,
        Verdict::Rejected => wanted::REJECTED,
    };
    let asked = instance.clone();
    let question = move |answer| Question::Capture { instance: asked, verdicts, answer };
    match ask(handle, question).await {
        None => Err("the daemon is stopping".to_owned()),
        Some(Err(names)) => Err(match unknown(&instance.unwrap_or_default(), &names) {
            Answer::Error(why) => why,
            _ => "no such instance".to_owned(),
        }),
        Some(Ok(Err(why))) => Err(format!("captured frames cannot be shared: {why}")),
        Some(Ok(Ok(capture))) => Ok(Begun { capture, turn }),
    }
}

impl Begun {
    /// Serves the client, which keeps its place among those served.
    pub(super) fn serve(self, client: tokio::net::UnixStream, place: SemaphorePermit<'static>) {
        let started = std::thread::Builder::new().name("capture".to_owned()).spawn(move || {
            let _place = place;
            let Ok(client) = blocking(client) else { return };
            // Refused nowhere: it only gives way.
            let _later = rustix::process::setpriority_process(None, NICE);
            UNTOLD.fetch_add(1, Ordering::AcqRel);
            self.run(client);
            UNTOLD.fetch_sub(1, Ordering::AcqRel);
        });
        if let Err(why) = started {
            tracing::warn!("no thread to capture on: {why}");
        }
    }

    fn run(self, mut client: UnixStream) {
        let Capture { mirror, routers } = self.capture;
        let mut look = match mirror.look() {
            Ok(look) => look,
            Err(why) => {
                let why = format!("the XDP program's ring buffer: {why}");
                let _gone = write(&mut client, &text(&Answer::Error(why)));
                return;
            }
        };
        tracing::info!("a client captures frames");
        let mut frames = 0;
        let why = follow(&mut client, &mut look, &mut Names::new(routers), &mut frames);
        let lost = look.lost();
        // Off before anything else may take its time, and someone else's turn.
        drop(look);
        drop(self.turn);
        tracing::info!("the capture is over: {frames} frames, {lost} lost");
        let end = Answer::Captured { frames, lost, why: why.map(str::to_owned) };
        let _gone = write(&mut client, &text(&end));
    }
}

fn blocking(client: tokio::net::UnixStream) -> std::io::Result<UnixStream> {
    let client = client.into_std()?;
    client.set_nonblocking(false)?;
    client.set_write_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Shows frames until either side has enough; why, where it is the daemon's.
fn follow(
    client: &mut UnixStream,
    look: &mut Look,
    names: &mut Names,
    frames: &mut u64,
) -> Option<&'static str> {
    write(client, &text(&Answer::Capturing)).ok()?;
    loop {
        let said = said_anything(client);
        let ended = look.ended();
        let mut lines = Vec::new();
        names.look_at_the_clock();
        for shown in look.frames() {
            *frames += 1;
            lines.extend(text(&Answer::Frame(Box::new(names.frame(&shown)))));
        }
        if write(client, &lines).is_err() {
            return Some("the client did not read for too long");
        }
        if said || ended.is_some() {
            return ended;
        }
    }
}

/// Waits a moment for the client to end it: by anything it says, or by going.
fn said_anything(client: &UnixStream) -> bool {
    let mut waiting = [PollFd::new(client, PollFlags::IN | PollFlags::RDHUP)];
    let period = PERIOD.try_into().ok();
    match poll(&mut waiting, period.as_ref()) {
        Ok(ready) => ready > 0,
        Err(error) => error != rustix::io::Errno::INTR,
    }
}

/// Writes all of it, soon.
fn write(client: &mut UnixStream, lines: &[u8]) -> std::io::Result<()> {
    let end = Instant::now() + PATIENCE;
    for part in lines.chunks(PART) {
        if Instant::now() > end {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        client.write_all(part)?;
    }
    Ok(())
}

/// What numbers are called.
struct Names {
    routers: Vec<Option<Name>>,
    interfaces: HashMap<u32, String>,
    /// Any socket: by it the kernel is asked.
    socket: Option<OwnedFd>,
    /// How far the clock of people is ahead of the one frames are stamped by, in nanoseconds.
    ahead: u64,
}

fn ahead() -> u64 {
    clock::realtime().saturating_sub(clock::monotonic().as_nanos())
}

impl Names {
    fn new(routers: Vec<Option<Name>>) -> Self {
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).ok();
        Self { routers, interfaces: HashMap::new(), socket, ahead: ahead() }
    }

    /// Notes that it was set.
    fn look_at_the_clock(&mut self) {
        let now = ahead();
        if now.abs_diff(self.ahead) > UNSET {
            self.ahead = now;
        }
    }

    fn interface(&mut self, ifindex: u32) -> String {
        let socket = self.socket.as_ref();
        let name = self.interfaces.entry(ifindex).or_insert_with(|| {
            socket
                .and_then(|socket| index_to_name(socket, ifindex).ok())
                .unwrap_or_else(|| format!("interface {ifindex}"))
        });
        name.clone()
    }

    fn frame(&mut self, shown: &Shown) -> Frame {
        let at = Duration::from_nanos(shown.at.as_nanos().saturating_add(self.ahead));
        let interface = self.interface(shown.ifindex);
        let router = shown.judged.router().and_then(|router| usize::try_from(router).ok());
        let instance = router.and_then(|router| self.routers.get(router)?.as_ref());
        let mut frame = Frame {
            time_s: at.as_secs(),
            time_ns: at.subsec_nanos(),
            interface,
            link: match shown.link {
                mirror::Link::Ethernet => Link::Ethernet,
                mirror::Link::Ip => Link::Ip,
            },
            instance: instance.map(ToString::to_string),
            verdict: String::new(),
            reason: String::new(),
            remarks: Vec::new(),
            length: shown.length,
            bytes: hex(&shown.bytes),
        };
        frame.judge(shown.judged);
        frame
    }
}
