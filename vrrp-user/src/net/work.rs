//! How do netlink, the reconciler and the announcements work together.
use super::announce::{Announcer, Lane, Target, Which};
use super::guard::Guard;
use super::message::Dump;
use super::netlink::{Lapse, Netlink};
use super::reconcile::Reconciler;
use super::sys;
use super::task::{Command, Event, Link, Options, Owned};
use crate::config::model::Name;
use anyhow::Context;
use foldhash::{HashMap, HashMapExt as _};
use socket2::Socket;
use std::collections::{BTreeSet, hash_map};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::ident::{Family, Mac};
use vrrp_common::time::Instant;
use vrrp_common::wire::{arp, ndisc};

/// Plans carried out before others get their turn: someone who fights us for an address must not
/// keep us from everything else.
const ROUNDS: usize = 8;
/// Pause before a listing that failed is tried again; grows with each failure.
const PAUSE: Duration = Duration::from_millis(5);
/// Listings tried before other work gets its turn.
const LISTINGS: usize = 10;
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// A listing that changed while it was read is read again, but not for ever.
const INCONSISTENT: usize = 4;
/// Time until work that was left over is taken up again.
const SOON: Duration = Duration::from_millis(50);

/// The task's state.
pub(super) struct Work<E> {
    netlink: Netlink,
    reconciler: Reconciler,
    announcer: Announcer,
    guard: Guard,
    sockets: HashMap<u32, Socket>,
    events: E,
    owned: Owned,
    options: Options,
    /// Links as they were last told.
    told: HashMap<Name, Link>,
    /// Everything has to be read again.
    lapsed: bool,
    /// There was a complete listing.
    listed: bool,
    /// The last settling stopped before there was nothing left to do.
    unfinished: bool,
}

impl<E: Fn(Event)> Work<E> {
    pub(super) fn open(events: E, owned: Owned, options: Options) -> anyhow::Result<Self> {
        Ok(Self {
            netlink: Netlink::open(options.receive_buffer).context("cannot open netlink socket")?,
            reconciler: Reconciler::default(),
            announcer: Announcer::default(),
            guard: Guard::default(),
            sockets: HashMap::new(),
            events,
            owned,
            options,
            told: HashMap::new(),
            lapsed: false,
            listed: false,
            unfinished: false,
        })
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Router { router, instance } => {
                self.guard.router(router, &instance, self.reconciler.owns(router));
                self.reconciler.router(router, instance);
            }
            Command::Forget { router } => {
                self.guard.forget(router);
                self.reconciler.forget(router);
                self.announcer.forget(router);
            }
            Command::Own { router, own, announce } => {
                self.guard.own(router, own);
                self.reconciler.own(router, own, announce);
            }
            Command::Announce { router, times } => self.reconciler.announce(router, times),
            Command::AnnounceElsewhere { router } => self.reconciler.announce_elsewhere(router),
            Command::Globals(config) => {
                self.reconciler.statics(&config.statics);
                let globals = &config.globals;
                let pauses = (globals.garp_interval, globals.gna_interval);
                self.announcer.set_pauses(pauses, &config.garp_groups);
                let reconciler = &self.reconciler;
                self.announcer.regroup(|ifindex| reconciler.name(ifindex));
                let buffer = globals.netlink_buffer.and_then(|bytes| usize::try_from(bytes).ok());
                let buffer = buffer.unwrap_or(self.options.receive_buffer);
                if let Err(error) = self.netlink.set_receive_buffer(buffer) {
                    tracing::warn!(%error, "the netlink receive buffer stays as it is");
                }
            }
            Command::Resync => self.lapsed = true,
            Command::Batch(commands) => {
                for command in commands {
                    self.command(command);
                }
            }
        }
    }

    /// Waits until the kernel has something to tell.
    pub(super) async fn readable(&self) -> anyhow::Result<()> {
        tokio::select! {
            ready = self.netlink.readable() => ready.context("netlink socket"),
            ready = self.guard.readable() => ready.context("netlink socket of nf_tables"),
        }
    }

    /// Waits until an announcement is due.
    pub(super) async fn due(&self) {
        let now = now();
        let soon = self.unfinished.then(|| now + SOON);
        let deadlines =
            [soon, self.announcer.deadline(), self.reconciler.deadline(), self.guard.deadline()];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) => tokio::time::sleep(deadline.since(now)).await,
            None => std::future::pending().await,
        }
    }

    /// The first listing.
    pub(super) async fn list(&mut self) -> anyhow::Result<()> {
        self.guard.clear();
        self.follow_routes()?;
        while !self.listed {
            self.relist().await?;
        }
        // Static addresses are there before anyone looks for addresses to send from.
        self.settle().await?;
        (self.events)(Event::Ready);
        Ok(())
    }

    /// Takes in what the kernel tells, does what has to be done, and tells of it.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        self.follow_routes()?;
        let reconciler = &mut self.reconciler;
        let drained = self.netlink.drain(|change| reconciler.apply(change));
        self.note(drained)?;
        self.unfinished = true;
        // Before the addresses are there.
        self.guard.protect(now());
        for _ in 0..ROUNDS {
            if self.lapsed {
                self.relist().await?;
            }
            if self.reconciler.routing().take_stale() {
                self.list_routes().await?;
            }
            let operations = self.reconciler.plan(now());
            if operations.is_empty() {
                self.unfinished = self.lapsed;
                break;
            }
            let reconciler = &mut self.reconciler;
            let executed =
                self.netlink.execute(&operations, |change| reconciler.apply(change)).await;
            match executed {
                Ok(outcomes) => {
                    for (operation, outcome) in operations.iter().zip(outcomes) {
                        if let Err(refusal) = &outcome {
                            tracing::debug!(?operation, %refusal, "refused by the kernel");
                        }
                        self.reconciler.done(operation, outcome);
                    }
                }
                Err(lapse) => self.note(Err(lapse))?,
            }
        }
        if !self.unfinished {
            // They are gone.
            self.guard.release();
        }
        self.tell();
        self.announce();
        self.report();
        Ok(())
    }

    /// The end is near: what was set for the time of this program is as it was before.
    pub(super) fn retire(&mut self) {
        self.reconciler.retire();
    }

    /// Nothing more will be asked for.
    pub(super) fn finish(&mut self) {
        self.guard.remove();
    }

    fn follow_routes(&mut self) -> anyhow::Result<()> {
        if !self.reconciler.routing().is_empty() && self.netlink.follow_routes()? {
            // What was there before nobody told of.
            self.lapsed = true;
        }
        Ok(())
    }

    fn note(&mut self, result: Result<(), Lapse>) -> anyhow::Result<()> {
        match result {
            Ok(()) => {}
            Err(Lapse::Io(error)) => return Err(error).context("netlink socket"),
            // From the first listing on: it will not get better. Later: it was good before.
            Err(lapse @ Lapse::Refused(_)) if !self.listed => return Err(lapse.into()),
            Err(lapse) => {
                tracing::warn!(%lapse, "reading links, addresses and routes again");
                self.lapsed = true;
            }
        }
        Ok(())
    }

    /// Reads everything again. While notifications keep getting lost it is tried again and again, but
    /// commands must not wait for ever: then they are carried out on what is known, and the listing is
    /// taken up again soon.
    async fn relist(&mut self) -> anyhow::Result<()> {
        let mut pause = PAUSE;
        for _ in 0..LISTINGS {
            self.lapsed = false;
            self.reconciler.begin_listing();
            let mut kinds = vec![Dump::Links, Dump::Addresses];
            kinds.extend(self.reconciler.routing().dumps());
            for kind in kinds {
                self.read(kind).await?;
                if self.lapsed {
                    break;
                }
            }
            if !self.lapsed {
                self.reconciler.finish_listing();
                self.listed = true;
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    async fn list_routes(&mut self) -> anyhow::Result<()> {
        self.reconciler.begin_routes();
        for kind in self.reconciler.routing().dumps() {
            self.read(kind).await?;
            if self.lapsed {
                return Ok(());
            }
        }
        self.reconciler.finish_routes();
        Ok(())
    }

    async fn read(&mut self, kind: Dump) -> anyhow::Result<()> {
        for _ in 0..INCONSISTENT {
            let reconciler = &mut self.reconciler;
            match self.netlink.dump(kind, |change| reconciler.apply(change)).await {
                Ok(true) => break,
                Ok(false) => {}
                // A kernel without IPv6 has no IPv6 routes, and one may have no rules.
                Err(Lapse::Refused(refusal))
                    if matches!(kind, Dump::RoutesV6(_) | Dump::RulesV4 | Dump::RulesV6) =>
                {
                    tracing::debug!(?kind, %refusal, "cannot be listed");
                    break;
                }
                Err(lapse) => {
                    self.note(Err(lapse))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tells the loop what is different.
    fn tell(&mut self) {
        for link in self.reconciler.take_links() {
            if link.ifindex == 0 && !self.told.contains_key(&link.name) {
                continue;
            }
            if self.told.get(&link.name) != Some(&link) {
                if link.ifindex == 0 {
                    self.told.remove(&link.name);
                } else {
                    self.told.insert(link.name.clone(), link.clone());
                }
                (self.events)(Event::Link(link));
            }
        }
        for (router, address) in self.reconciler.take_lost() {
            (self.events)(Event::Lost { router, address });
        }
    }

    fn announce(&mut self) {
        let now = now();
        for new in self.reconciler.take_announcements() {
            let which = (new.router, new.address);
            if let Some(lane) = self.lane(which) {
                if new.returned {
                    self.announcer.add_returned(lane, which, new.times, now);
                } else {
                    self.announcer.add(lane, which, new.times);
                }
            }
        }
        for (which, times) in self.announcer.calmed(now) {
            if let Some(lane) = self.lane(which) {
                self.announcer.add_returned(lane, which, times, now);
            }
        }
        for (lane, due) in self.announcer.due(now) {
            self.send(lane, &due, now);
        }
    }

    fn lane(&mut self, (router, address): Which) -> Option<Lane> {
        let target = self.reconciler.announceable(router, address)?;
        // Only an Ethernet has neighbours to be told, and a group is nobody's.
        let told = target.mac != Mac::default() && !target.address.is_multicast();
        if told && let Some(name) = self.reconciler.name(target.ifindex) {
            self.announcer.group(target.ifindex, name);
        }
        told.then(|| (target.ifindex, Family::of(target.address)))
    }

    fn send(&mut self, lane: Lane, due: &[Which], now: Instant) {
        let mut frames = Vec::with_capacity(due.len());
        for which in due {
            match self.reconciler.announceable(which.0, which.1) {
                Some(target) if target.ifindex == lane.0 => frames.push((*which, frame(&target))),
                _ => self.announcer.unsent(*which),
            }
        }
        // A link that left the namespace and came back has its index and none of its sockets.
        for last in [false, true] {
            if frames.is_empty() {
                return;
            }
            let socket = match self.sockets.entry(lane.0) {
                hash_map::Entry::Occupied(entry) => entry.into_mut(),
                hash_map::Entry::Vacant(entry) => match sys::packet_socket(lane.0) {
                    Ok(socket) => entry.insert(socket),
                    Err(error) => {
                        tracing::debug!(ifindex = lane.0, %error, "cannot announce");
                        return;
                    }
                },
            };
            let packets: Vec<_> =
                frames.iter().map(|(_, frame)| (None, frame.as_slice())).collect();
            let mut failed = BTreeSet::new();
            sys::send_all(socket, &packets, |number, outcome| {
                let which = frames[number].0;
                match outcome {
                    Ok(()) => self.reconciler.announced(which.0, which.1, now),
                    Err(error) if is_full(&error) => self.announcer.refused(lane, which, now),
                    Err(error) => {
                        failed.insert(number);
                        if last {
                            // A dead link: it is announced when it returns.
                            self.announcer.unsent(which);
                            tracing::debug!(ifindex = lane.0, %error, "announcement not sent");
                        }
                    }
                }
            });
            if !failed.is_empty() {
                self.sockets.remove(&lane.0);
            }
            let left = frames.into_iter().enumerate().filter(|(n, _)| failed.contains(n));
            frames = left.map(|(_, frame)| frame).collect();
        }
    }

    fn report(&mut self) {
        let reports = self.reconciler.take_reports();
        if reports.is_empty() {
            return;
        }
        let mut owned = self.owned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (router, report) in reports {
            match report {
                Some(report) => owned.insert(router, report),
                None => owned.remove(&router),
            };
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

fn frame(target: &Target) -> Vec<u8> {
    match target.address {
        IpAddr::V4(address) => arp::gratuitous(target.mac, address).to_vec(),
        IpAddr::V6(address) => ndisc::unsolicited(target.mac, address).to_vec(),
    }
}

fn now() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The monotonic clock starts at zero.
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
