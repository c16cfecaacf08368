//! What happens next: adverts, messages, deadlines, one at a time, without ever waiting for
//! anything but the next of them.
//!
//! Each round takes news from the dataplane first and the deadline last, so an advert that arrived
//! in time is never beaten by our own lateness.
use super::carry_out::{Opened, Router};
use super::clock;
use super::groups::Groups;
use super::handover::{Ended, Loaded, Workers};
use super::mailbox::Inbox;
use super::past::{self, Ring};
use super::proposal::Proposals;
use super::questions::{Question, Viewing};
use crate::config::model::{Config, Name};
use crate::dataplane::port::{Dataplane, News};
use crate::engine::Engine;
use crate::engine::input::{Advert, Input};
use crate::engine::output::Output;
use crate::net::task;
use crate::net::transmit::Transmitter;
use crate::report::histogram::Histogram;
use anyhow::Context as _;
use foldhash::{HashMap, HashMapExt as _};
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, RouterId, Version};
use vrrp_common::proto;
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

/// Messages taken in one round, so that a burst of them cannot hold up a deadline.
const MESSAGES_A_ROUND: usize = 64;

/// Least time between two looks at news.
const GATHER: Duration = Duration::from_micros(250);

/// What other threads tell the loop.
#[derive(Debug)]
pub enum Message {
    /// Something happened to a link or an address.
    Net(task::Event),
    /// Take this configuration; the answer says why not.
    Reload(Loaded, oneshot::Sender<Result<(), String>>),
    /// Something that is tracked was looked at.
    Tracked(Input),
    /// Something to answer.
    Ask(Question),
    /// Step down and end.
    Shutdown,
}

/// The loop and all it owns.
pub struct AdvertLoop {
    pub(super) engine: Engine,
    pub(super) plane: Box<dyn Dataplane>,
    pub(super) transmitter: Transmitter,
    pub(super) groups: Groups,
    pub(super) routers: Vec<Option<Router>>,
    pub(super) links: HashMap<Name, task::Link>,
    pub(super) open: HashMap<Name, Opened>,
    /// Open interfaces whose routers are being set.
    pub(super) opened: Vec<Name>,
    /// Routers of which the engine does not know yet whether there is a place for them.
    pub(super) placements: Vec<(RouterId, bool)>,
    pub(super) config: Arc<Config>,
    net: mpsc::UnboundedSender<task::Command>,
    /// For the network task, to be handed over together.
    commands: Vec<task::Command>,
    pub(super) workers: Workers,
    pub(super) stopping: bool,
    pub(super) counted_since: Instant,
    inbox: Inbox<Message>,
    pub(super) proposals: Proposals,
    pub(super) viewing: Viewing,
    pub(super) past: Ring,
    pub(super) takeover: Histogram,
    pub(super) lateness: Histogram,
    epoll: OwnedFd,
    timer: OwnedFd,
    pub(super) watched: Vec<RawFd>,
    pub(super) events: u64,
    pub(super) wakeups: u64,
    news_taken: Instant,
}

/// Keys of the descriptors the loop waits for.
const TIMER: u64 = 0;
const INBOX: u64 = 1;
const PLANE: u64 = 2;

impl AdvertLoop {
    /// A loop that starts with `first` as soon as the links are known.
    pub fn new(
        first: Loaded,
        plane: Box<dyn Dataplane>,
        net: mpsc::UnboundedSender<task::Command>,
        inbox: Inbox<Message>,
        workers: Workers,
    ) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("timerfd")?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), readable)?;
        epoll::add(&epoll, &inbox, epoll::EventData::new_u64(INBOX), readable)?;
        Ok(Self {
            engine: Engine::new(),
            plane,
            transmitter: Transmitter::new(),
            groups: Groups::start().context("the thread that joins groups")?,
            routers: Vec::new(),
            links: HashMap::new(),
            open: HashMap::new(),
            opened: Vec::new(),
            placements: Vec::new(),
            config: Arc::clone(&first.config),
            net,
            commands: Vec::new(),
            workers,
            stopping: false,
            counted_since: clock::now(),
            inbox,
            proposals: Proposals::begin_with(first),
            viewing: Viewing::default(),
            past: Ring::default(),
            takeover: Histogram::new(past::TAKEOVER),
            lateness: Histogram::new(past::LATENESS),
            epoll,
            timer,
            watched: Vec::new(),
            events: 0,
            wakeups: 0,
            news_taken: Instant::ZERO,
        })
    }

    /// Runs until told to stop.
    pub fn run(mut self) -> Ended {
        let result = self.go();
        Ended { result, tracker: Some(self.workers.tracker), config: Some(self.config) }
    }

    fn go(&mut self) -> anyhow::Result<()> {
        let mut ready = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 16];
        while !self.stopping {
            self.watch();
            let count = self.wait(&mut ready)?;
            let woken = |key: u64| ready[..count].iter().any(|event| event.data.u64() == key);
            let due = self.engine.deadline().is_some_and(|deadline| deadline <= clock::now());
            if woken(PLANE) {
                self.wakeups += 1;
                self.let_gather();
            }
            if woken(PLANE) || due {
                self.take_news();
                self.news_taken = clock::now();
            }
            if woken(INBOX) {
                self.take_messages()?;
            }
            self.consider()?;
            let now = clock::now();
            if let Some(deadline) = self.engine.deadline().filter(|deadline| *deadline <= now) {
                self.lateness.observe(now.since(deadline));
                self.tell_of_many(now, Input::Deadline);
            }
            self.transmitter.flush();
            self.show();
            for socket in self.transmitter.closed() {
                self.groups.close(socket);
            }
        }
        Ok(())
    }

    /// Waits on exactly the dataplane's descriptors, which change with its ports.
    fn watch(&mut self) {
        let wanted: Vec<RawFd> = self.plane.descriptors().iter().map(|fd| fd.as_raw_fd()).collect();
        if wanted == self.watched {
            return;
        }
        // A closed descriptor has left the set by itself; one that was closed and whose number was
        // given out again is added anew.
        for fd in self.plane.descriptors() {
            let data = epoll::EventData::new_u64(PLANE);
            match epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => tracing::error!("epoll: {e}"),
            }
        }
        self.watched = wanted;
    }

    /// Waits until there is something to do.
    fn wait(&mut self, ready: &mut [epoll::Event]) -> anyhow::Result<usize> {
        loop {
            self.arm(self.next())?;
            let count = match epoll::wait(&self.epoll, &mut *ready, None) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e).context("epoll"),
            };
            // As a rule it is the time of a backup, whose master lives, and that was all.
            if ready[..count].iter().all(|event| event.data.u64() == TIMER) {
                let now = clock::now();
                self.engine.look(now, &*self.plane);
                if self.next().is_some_and(|next| next > now) {
                    continue;
                }
            }
            return Ok(count);
        }
    }

    /// When there is something to do without being told.
    fn next(&self) -> Option<Instant> {
        self.engine.deadline().into_iter().chain(self.proposals.deadline()).min()
    }

    /// Sets the one timer.
    fn arm(&self, next: Option<Instant>) -> anyhow::Result<()> {
        // Zero disarms it.
        let at = next.map_or(Instant::ZERO, |next| next.max(Instant::from_nanos(1)));
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: interval, it_value: clock::timespec(at) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec).context("timerfd")?;
        Ok(())
    }

    /// Gives the engine one input and carries out everything it asks for.
    pub(super) fn tell(&mut self, now: Instant, input: Input) {
        self.engine.handle(now, input, &*self.plane);
        while let Some(output) = self.engine.poll() {
            self.carry_out(output);
        }
        self.settle(now);
    }

    /// Tells the engine what came of its outputs.
    fn settle(&mut self, now: Instant) {
        self.tell_placements(now);
        for interface in std::mem::take(&mut self.opened) {
            self.plane.listen(&interface);
            if !self.hears(&interface) {
                self.tell_link(&interface);
            }
        }
        self.hand_over();
    }

    /// Tells the engine for which routers there is a place.
    pub(super) fn tell_placements(&mut self, now: Instant) {
        while let Some((router, placed)) = self.placements.pop() {
            self.tell(now, Input::Placed { router, placed });
        }
    }

    /// Gives the engine an input that may concern thousands of routers: deadlines, or a link. Their
    /// adverts go first, in as few calls as possible, then addresses are asked for, and what is told
    /// of it comes last. Neither makes a router come or go, so that order is as good as any.
    pub(super) fn tell_of_many(&mut self, now: Instant, input: Input) {
        self.engine.handle(now, input, &*self.plane);
        let (mut commands, mut told) = (Vec::new(), Vec::new());
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Advert { .. } | Output::Expect { .. } | Output::Source { .. } => {
                    self.carry_out(output)
                }
                Output::Own { .. } | Output::Announce { .. } | Output::AnnounceElsewhere { .. } => {
                    commands.push(output)
                }
                output => told.push(output),
            }
        }
        for output in commands {
            self.carry_out(output);
        }
        self.hand_over();
        self.transmitter.flush();
        for output in told {
            self.carry_out(output);
        }
        self.settle(now);
    }

    /// News that follows other news at once is not alone: to be woken for each piece of it would cost
    /// more than what it says. Where a deadline is near nothing waits.
    fn let_gather(&self) {
        let until = self.news_taken + GATHER;
        let near = self.next().is_some_and(|next| next < until + GATHER);
        if !near && until > clock::now() {
            clock::sleep_until(until);
        }
    }

    /// Takes everything the dataplane has.
    fn take_news(&mut self) {
        // What was missed came before what is left.
        for router in self.plane.missed() {
            self.tell(clock::now(), Input::Missed(router));
        }
        let (mut adverts, mut dropped) = (Vec::new(), Vec::new());
        let routers = &mut self.routers;
        self.plane.drain(&mut |news| match advert(routers, &news) {
            Some(Judged::Taken(advert)) => adverts.push(advert),
            Some(Judged::Dropped) => dropped.push((news.router, news.remarks)),
            None => {}
        });
        for (router, remarks) in dropped {
            self.plane.refuse(router, remarks, Counter::AddressList);
        }
        self.events += adverts.len() as u64;
        // While the path of an interface changes, two of them deliver.
        adverts.sort_by_key(|advert: &Advert| advert.at);
        for advert in adverts {
            self.tell(clock::now(), Input::Advert(advert));
        }
        self.take_changes();
    }

    fn take_messages(&mut self) -> anyhow::Result<()> {
        self.inbox.quiet();
        for _ in 0..MESSAGES_A_ROUND {
            let Some(message) = self.inbox.take() else { return Ok(()) };
            match message {
                Message::Net(event) => self.net_event(event),
                Message::Reload(loaded, answer) => self.proposals.add(loaded, answer),
                Message::Tracked(input) => self.tell(clock::now(), input),
                Message::Ask(question) => self.asked(question),
                Message::Shutdown => {
                    self.stopping = true;
                    self.tell(clock::now(), Input::Shutdown);
                    self.groups_stop();
                    self.transmitter.flush();
                    return Ok(());
                }
            }
        }
        self.inbox.wake_again();
        Ok(())
    }

    fn net_event(&mut self, event: task::Event) {
        match event {
            task::Event::Link(link) => self.link(link),
            task::Event::Lost { router, address } => {
                self.tell(clock::now(), Input::Lost { router, address });
            }
            task::Event::Ready => self.proposals.begin(),
        }
    }

    /// Comes back to the rest in the next round.
    pub(super) fn come_back(&self) {
        self.inbox.wake_again();
    }

    /// Has the network task do something when the engine has said everything.
    pub(super) fn send_net(&mut self, command: task::Command) {
        self.commands.push(command);
    }

    /// Hands everything one input led to over to the network task, which outlives the loop: one
    /// plan for a link that takes hundreds of routers along.
    fn hand_over(&mut self) {
        if self.commands.is_empty() {
            return;
        }
        // RFC 9568 section 6.4: the advert first. The network task has a thread of its own and would
        // announce addresses while the advert is still queued.
        self.transmitter.flush();
        if self.net.send(task::Command::Batch(std::mem::take(&mut self.commands))).is_err() {
            tracing::error!("the network task has ended");
        }
    }
}

/// What becomes of a piece of news.
enum Judged {
    /// It is for the engine.
    Taken(Advert),
    /// Its list is not ours, and must be.
    Dropped,
}

/// What a piece of news says, or nothing where its router is gone. The packet passed the check, so
/// its parts are where they should be; a part that is not ends the matter all the same.
fn advert(routers: &mut [Option<Router>], news: &News<'_>) -> Option<Judged> {
    let router = routers.get_mut(news.router.index())?.as_mut()?;
    let (source, message) = split(news.packet)?;
    let (header, list) = message.split_first_chunk::<{ proto::HEADER_LEN }>()?;
    let header = Header(*header);
    // A reload may have given the number to another router while this was waiting.
    let instance = &router.instance;
    if header.vrid() != instance.vrid.get() || Family::of(source) != instance.family {
        return None;
    }
    let addresses = addresses(source, list, header.count());
    router.heard = news.at;
    let same_addresses = addresses == router.addresses;
    if instance.drops(header, same_addresses) {
        return Some(Judged::Dropped);
    }
    let mut remarks = news.remarks;
    let mut remark = |counter: Counter, remarked: &mut u64| {
        remarks |= 1 << counter as u32;
        *remarked += 1;
    };
    if router.instance.check_address_list && !same_addresses {
        remark(Counter::AddressListDiffers, &mut router.remarked.address_list);
    }
    let ours = match header.version() {
        2 => router.instance.interval_v2(),
        _ => router.instance.advert_interval,
    };
    if router.instance.version == Version::V3 && header.interval() != ours {
        remark(Counter::IntervalDiffers, &mut router.remarked.interval);
    }
    let (router, at) = (news.router, news.at);
    Some(Judged::Taken(Advert { router, at, source, header, same_addresses, remarks }))
}

/// Source address and VRRP message of an IP packet.
fn split(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let source: [u8; 4] = *packet.get(12..)?.first_chunk()?;
            let header = usize::from(packet.first()? & 0xf) * 4;
            Some((source.into(), packet.get(header..)?))
        }
        6 => {
            let source: [u8; 16] = *packet.get(8..)?.first_chunk()?;
            Some((source.into(), packet.get(40..)?))
        }
        _ => None,
    }
}

/// The advertised addresses, sorted.
fn addresses(source: IpAddr, list: &[u8], count: u8) -> Vec<IpAddr> {
    let count = usize::from(count);
    let mut addresses: Vec<IpAddr> = match source {
        IpAddr::V4(_) => {
            list.as_chunks::<4>().0.iter().take(count).map(|octets| (*octets).into()).collect()
        }
        IpAddr::V6(_) => {
            list.as_chunks::<16>().0.iter().take(count).map(|octets| (*octets).into()).collect()
        }
    };
    addresses.sort_unstable();
    addresses
}

/// Whether a router still exists.
pub(super) fn known(routers: &[Option<Router>], router: RouterId) -> Option<&Router> {
    routers.get(router.index())?.as_ref()
}
