//! Who waits for the kernel to attach and detach the program, so that the loop does not.
//!
//! Attaching, detaching and asking what is on an interface's hook take the kernel's lock of all
//! network configuration, and closing a packet socket waits for a grace period: either may take as
//! long as what others do to the machine's interfaces. A thread does them one after another and
//! answers through a queue with a descriptor.
use super::attach::{self, chain};
use super::link::Link;
use super::port::{Path, XdpMode};
use super::program::Loaded;
use super::socket::PacketSocket;
use super::tags::InFrames;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to look whether someone else detached the program: the kernel announces it nowhere.
const INSPECTION: Duration = Duration::from_millis(500);

/// How long after the program began to judge the frames of an interface none is left that had
/// passed it before, and is still on its way to a packet socket.
const LINGER: Duration = Duration::from_millis(100);

/// One attachment, from when it is asked for. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What the thread is to do, in this order.
#[derive(Debug)]
pub enum Request {
    /// Attach the program in the best way the mode allows.
    Attach {
        /// To be answered with.
        ticket: Ticket,
        /// Name of the interface.
        interface: String,
        /// Its index.
        ifindex: u32,
        /// Which ways are allowed.
        mode: XdpMode,
    },
    /// Detach it, if it was attached.
    Detach(Ticket),
    /// Say when packets that passed before are all delivered.
    Linger(Ticket),
    /// Close a socket.
    Close(PacketSocket),
}

/// What became of it.
#[derive(Debug)]
pub enum Answer {
    /// It is on the interface.
    Attached {
        /// As asked.
        ticket: Ticket,
        /// Native or generic.
        path: Path,
        /// Why not a faster one.
        why: Option<String>,
    },
    /// It is not, because of this.
    Refused {
        /// As asked.
        ticket: Ticket,
        /// The reason.
        why: String,
    },
    /// Someone else detached it, or the interface is gone.
    Detached(Ticket),
    /// Nothing that passed before is still on its way.
    Lingered(Ticket),
}

/// The thread, as its owner knows it. On drop the program is detached everywhere.
#[derive(Debug)]
pub struct Attacher {
    requests: Option<Sender<Request>>,
    answers: Receiver<Answer>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Attacher {
    /// Starts it; without a program it only closes sockets.
    pub fn start(loaded: Option<Loaded>) -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (requests, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let worker = Worker {
            loaded,
            on: BTreeMap::new(),
            lingering: Vec::new(),
            answers: answer,
            wake: Arc::clone(&wake),
        };
        let thread = std::thread::Builder::new()
            .name("attacher".to_owned())
            .spawn(move || worker.run(&asked))?;
        Ok(Self { requests: Some(requests), answers, wake, thread: Some(thread) })
    }

    /// Asks for something; returns at once.
    pub fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests
            && requests.send(request).is_err()
        {
            tracing::error!("the thread that attaches the XDP program has ended");
        }
    }

    /// Closes a socket; whoever waits for it to be readable is not woken meanwhile.
    pub fn close(&self, mut socket: PacketSocket) {
        socket.mute();
        self.ask(Request::Close(socket));
    }

    /// Everything that was answered since last time.
    pub fn answers(&self) -> Vec<Answer> {
        let _none_yet = read(&*self.wake, &mut [0_u8; 8]);
        self.answers.try_iter().collect()
    }

    /// Readable when there are answers.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Attacher {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that attaches the XDP program panicked");
        }
    }
}

/// The program on an interface.
struct On {
    link: Link,
    /// Dropped after the program was detached.
    _tags: InFrames,
}

struct Worker {
    loaded: Option<Loaded>,
    on: BTreeMap<Ticket, On>,
    /// In the order of their times.
    lingering: Vec<(Instant, Ticket)>,
    answers: Sender<Answer>,
    wake: Arc<OwnedFd>,
}

impl Worker {
    fn run(mut self, requests: &Receiver<Request>) {
        let mut inspection = Instant::now();
        loop {
            let next = match self.lingering.first() {
                Some((due, _)) => Some(inspection.min(*due)),
                None => (!self.on.is_empty()).then_some(inspection),
            };
            let request = match next {
                // Nothing to look after: sleeps until asked for something.
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(next) => requests.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            match request {
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            while let Some((_, ticket)) = self.lingering.first().filter(|(due, _)| *due <= now) {
                let ticket = *ticket;
                self.lingering.remove(0);
                self.answer(Answer::Lingered(ticket));
            }
            if now >= inspection {
                self.inspect();
                inspection = Instant::now() + INSPECTION;
            }
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Attach { ticket, interface, ifindex, mode } => {
                let Some(loaded) = &self.loaded else {
                    let why = "there is no XDP program".to_owned();
                    self.answer(Answer::Refused { ticket, why });
                    return;
                };
                match attach::attach(loaded, &interface, ifindex, mode) {
                    Ok(on) => {
                        let attachment = On { link: on.link, _tags: on.tags };
                        self.on.insert(ticket, attachment);
                        self.answer(Answer::Attached { ticket, path: on.path, why: on.why });
                    }
                    Err(why) => self.answer(Answer::Refused { ticket, why: chain(&why) }),
                }
            }
            Request::Detach(ticket) => drop(self.on.remove(&ticket)),
            Request::Linger(ticket) => self.lingering.push((Instant::now() + LINGER, ticket)),
            Request::Close(socket) => drop(socket),
        }
    }

    fn inspect(&mut self) {
        let Some(id) = self.loaded.as_ref().map(Loaded::id) else {
            return;
        };
        // Where the kernel does not say, nothing has changed.
        let gone = |on: &On| on.link.holds(id).is_ok_and(|holds| !holds);
        let gone: Vec<Ticket> =
            self.on.iter().filter(|(_, on)| gone(on)).map(|(&ticket, _)| ticket).collect();
        for ticket in gone {
            self.answer(Answer::Detached(ticket));
            self.on.remove(&ticket);
        }
    }

    fn answer(&self, answer: Answer) {
        // Whoever asked may be gone, and then nobody is told.
        let _unheard = self.answers.send(answer);
        // Fails only when the counter is at its end, and then the owner is awake anyway.
        let _awake = write(&*self.wake, &1_u64.to_ne_bytes());
    }
}
