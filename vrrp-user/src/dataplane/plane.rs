//! The dataplane of a network namespace: every interface on the best path it has.
//!
//! Rules and expectations are kept in plain memory for the sockets and mirrored into the maps for
//! the program, so an interface can change its path at any time. Stamps and counters are what both
//! together know.
use super::attach::chain;
use super::attacher::Attacher;
use super::memory::Memory;
use super::mirror::{Link, Mirror, Shown, Tap, Wanted};
use super::object::Missing;
use super::port::{Dataplane, News, PortReport, RouterRule, XdpMode, stamp};
use super::program::{LoadError, Loaded, Program};
use super::rejects::Rejects;
pub use super::settings::Settings;
use super::socket::PacketSocket;
use super::swap::{Port, Receiver};
use crate::engine::input::{Heard, Stamp};
use anyhow::{Context, anyhow, bail};
use foldhash::{HashMap, HashSet};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use vrrp_common::counter::Counter;
use vrrp_common::ident::RouterId;
use vrrp_common::layout::{self, Counts, Expect, LARGE_EVENT, PeerKey, Seen, rule_index};
use vrrp_common::mirror::Judged;
use vrrp_common::time::Instant;
use vrrp_common::wire::check::{Owner, Verdict};

/// More packets than a socket's buffer can hold, so that a flood does not keep a drain from ending.
const MOST_QUEUED: u32 = 16_384;

#[derive(Debug)]
struct Router {
    port: u32,
    rule: u32,
    peers: Vec<PeerKey>,
}

/// The dataplane. Dropping it detaches the program everywhere and closes the sockets.
#[derive(Debug)]
pub struct Plane {
    pub(super) settings: Settings,
    pub(super) attacher: Attacher,
    pub(super) program: Option<Program>,
    /// Why there is no program.
    pub(super) unavailable: Option<String>,
    pub(super) ports: BTreeMap<u32, Port>,
    /// How many tickets were given out.
    pub(super) tickets: u64,
    /// To be told.
    pub(super) changed: Vec<PortReport>,
    routers: BTreeMap<u32, Router>,
    /// Numbers from here on have never been anybody's: the kernel's zeros are still there.
    fresh: u32,
    memory: Memory,
    buffer: Box<[u8]>,
    /// Who looks at judged frames.
    tap: Option<Tap>,
}

impl Plane {
    /// Loads the program, unless the mode is [`XdpMode::Off`]. With [`XdpMode::Auto`] a program
    /// that cannot be loaded leaves the sockets; the reason is in every port's report.
    pub fn new(settings: Settings) -> Result<Self, LoadError> {
        let settings = settings.rounded();
        let (loaded, unavailable) = match settings.mode {
            XdpMode::Off => (None, Some("--xdp-mode off".to_owned())),
            XdpMode::Native | XdpMode::Skb => (Some(Program::load(&settings)?), None),
            XdpMode::Auto => match Program::load(&settings) {
                Ok(program) => (Some(program), None),
                // Such a binary runs without only where it was told to.
                Err(why @ LoadError::Missing(Missing)) => return Err(why),
                Err(why) => (None, Some(chain(&why))),
            },
        };
        let (program, loaded): (Option<Program>, Option<Loaded>) = loaded.unzip();
        Ok(Self {
            settings,
            attacher: Attacher::start(loaded).map_err(LoadError::Thread)?,
            program,
            unavailable,
            ports: BTreeMap::new(),
            tickets: 0,
            changed: Vec::new(),
            routers: BTreeMap::new(),
            fresh: 0,
            memory: Memory { most_news: settings.news, ..Memory::default() },
            buffer: vec![0; LARGE_EVENT + 1].into_boxed_slice(),
            tap: None,
        })
    }

    /// Why there is no XDP program, where there is none.
    pub fn unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// Who to ask what was rejected, from another thread than the loop's.
    pub fn rejects(&mut self) -> Rejects {
        let maps = self.program.as_mut().and_then(Program::counting_maps);
        Rejects::new(maps, Arc::clone(&self.memory.any_rejected))
    }

    /// The loaded program, for test runs.
    pub const fn program(&mut self) -> Option<&mut Program> {
        self.program.as_mut()
    }

    fn find(&self, interface: &str) -> Option<u32> {
        self.ports.iter().find(|(_, port)| port.interface == interface).map(|(&number, _)| number)
    }

    fn free_port(&self) -> anyhow::Result<u32> {
        (0..self.settings.ports).find(|number| !self.ports.contains_key(number)).with_context(
            || format!("all {} ports of the dataplane are in use", self.settings.ports),
        )
    }

    /// Waits until the path of an interface that was opened is settled: for those who have nothing
    /// else to do meanwhile.
    pub fn settled(&mut self, interface: &str) -> anyhow::Result<PortReport> {
        loop {
            self.take_answers();
            let number =
                self.find(interface).with_context(|| format!("{interface} is not open"))?;
            let port = &self.ports[&number];
            if !port.pending {
                let report = self.report(number, port);
                self.changed.retain(|change| change.interface != interface);
                return if report.ready { Ok(report) } else { Err(refusal(&report)) };
            }
            let answers = PollFd::from_borrowed_fd(self.attacher.descriptor(), PollFlags::IN);
            match poll(&mut [answers], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for the kernel"),
            }
        }
    }

    pub(super) fn port_counts(&self, number: u32) -> Counts {
        sum(
            self.memory.port_counts.get(&number),
            self.program.as_ref().and_then(|program| program.port_counts(number).ok()),
        )
    }

    /// Takes a rule and its peers away.
    fn forget_rule(&mut self, router: &Router) {
        self.memory.rules.remove(&router.rule);
        if let Some(program) = &mut self.program
            && let Err(why) = program.set_rule(router.rule, &layout::Rule::default(), false)
        {
            tracing::warn!(why = chain(&why), "forgetting a rule");
        }
        for peer in &router.peers {
            self.forget_peer(peer);
        }
    }

    /// Writes the rule of a router and its peers, in the order of [`Router::peers`].
    fn write_router(
        &mut self,
        router: &Router,
        rule: &layout::Rule,
        peers: &[(IpAddr, layout::Peer)],
    ) -> anyhow::Result<()> {
        for (key, (_, peer)) in router.peers.iter().zip(peers) {
            if let Some(program) = &mut self.program {
                program.set_peer(key, peer).context("adding a unicast peer")?;
            }
            self.memory.peers.insert(*key, *peer);
        }
        let before = self.memory.rules.insert(router.rule, *rule);
        if before != Some(*rule)
            && let Some(program) = &mut self.program
        {
            program.set_rule(router.rule, rule, before.is_none()).context("writing a rule")?;
        }
        Ok(())
    }

    fn forget_peer(&mut self, peer: &PeerKey) {
        self.memory.peers.remove(peer);
        if let Some(program) = &mut self.program
            && let Err(why) = program.remove_peer(peer)
        {
            tracing::warn!(why = chain(&why), "forgetting a peer");
        }
    }

    fn forget_counts(&mut self, router: u32) -> anyhow::Result<()> {
        self.memory.clear_router(router);
        if let Some(program) = &mut self.program {
            program.expect(router as usize, &Expect::default());
            program.clear_router(router)?;
        }
        Ok(())
    }
}

impl Heard for Plane {
    fn stamp(&self, router: RouterId) -> Stamp {
        let mut last = self.program.as_ref().map_or_else(Seen::default, |p| p.seen(router.index()));
        // The sockets heard nothing, as a rule.
        let memory = &self.memory.seen;
        if !memory.is_empty()
            && let Some(seen) = memory.get(&router.0).filter(|seen| seen.at >= last.at)
        {
            last = *seen;
        }
        stamp(last.at, last.generation)
    }
}

impl Dataplane for Plane {
    fn open(&mut self, interface: &str, ifindex: u32) -> anyhow::Result<PortReport> {
        let number = match self.find(interface) {
            Some(number) => number,
            None => self.free_port()?,
        };
        // A port stays, with its rules, when its interface was there before: it may come again.
        let known = self.routers.values().any(|router| router.port == number);
        let mut port = match self.ports.remove(&number) {
            Some(port) if port.key.ifindex == ifindex => port,
            Some(old) => {
                self.release(old);
                Port::new(interface, ifindex, known)
            }
            None => Port::new(interface, ifindex, known),
        };
        let started = if port.pending || matches!(port.receiver, Receiver::Xdp) {
            Ok(())
        } else {
            self.start(&mut port)
        };
        let report = self.report(number, &port);
        if started.is_ok() || known {
            self.ports.insert(number, port);
        } else {
            self.release(port);
        }
        started.map(|()| report.clone()).map_err(|_| refusal(&report))
    }

    fn changes(&mut self) -> Vec<PortReport> {
        self.take_answers();
        std::mem::take(&mut self.changed)
    }

    fn listen(&mut self, interface: &str) {
        if let Some(number) = self.find(interface) {
            self.judge(number);
        }
    }

    fn close(&mut self, interface: &str) {
        let Some(number) = self.find(interface) else {
            return;
        };
        let here: Vec<u32> = self
            .routers
            .iter()
            .filter(|(_, router)| router.port == number)
            .map(|(&router, _)| router)
            .collect();
        for router in here {
            self.remove_router(RouterId(router));
        }
        if let Some(port) = self.ports.remove(&number) {
            self.release(port);
        }
        self.changed.retain(|change| change.port != number);
        self.memory.port_counts.remove(&number);
        if let Some(program) = &mut self.program
            && let Err(why) = program.clear_port(number)
        {
            tracing::warn!(interface, why = chain(&why), "forgetting the counters of a port");
        }
    }

    fn set_router(&mut self, interface: &str, router: &RouterRule) -> anyhow::Result<()> {
        let id = router.router.0;
        if id >= self.settings.routers {
            bail!("the dataplane has room for {} routers", self.settings.routers);
        }
        let port = self.find(interface).with_context(|| format!("{interface} is not open"))?;
        let index = rule_index(port, router.family, router.vrid);
        let other = self.memory.rules.get(&index).map(|rule| rule.router - 1);
        if let Some(other) = other.filter(|other| *other != id) {
            bail!(
                "VRID {} ({:?}) of {interface} belongs to router {other} already",
                router.vrid,
                router.family
            );
        }
        let old = self.routers.remove(&id);
        match &old {
            None if id >= self.fresh => self.fresh = id + 1,
            None => self.forget_counts(id)?,
            Some(old) if old.rule != index => self.forget_rule(old),
            Some(_) => {}
        }
        let rule = layout::Rule { router: id + 1, ..router.rule };
        let key = |address| PeerKey { router: id, pad: 0, source: layout::address(address) };
        let peers: Vec<_> = router.peers.iter().map(|(address, _)| key(*address)).collect();
        let kept = old.filter(|old| old.rule == index);
        // Those that are no longer wanted make room first.
        let wanted: HashSet<_> = peers.iter().collect();
        for peer in kept.iter().flat_map(|old| &old.peers).filter(|peer| !wanted.contains(peer)) {
            self.forget_peer(peer);
        }
        let new = Router { port, rule: index, peers };
        if let Err(why) = self.write_router(&new, &rule, &router.peers) {
            // Half of a router hears some of what it should: it hears nothing, and who asked knows.
            self.forget_rule(&new);
            return Err(why);
        }
        self.routers.insert(id, new);
        Ok(())
    }

    fn remove_router(&mut self, router: RouterId) {
        let Some(old) = self.routers.remove(&router.0) else {
            return;
        };
        self.forget_rule(&old);
        if let Err(why) = self.forget_counts(router.0) {
            tracing::warn!(router = router.0, "forgetting a router: {why:#}");
        }
    }

    fn expect(&mut self, router: RouterId, expect: &Expect) {
        if !self.routers.contains_key(&router.0) {
            return;
        }
        self.memory.expect.insert(router.0, *expect);
        if let Some(program) = &mut self.program {
            program.expect(router.index(), expect);
        }
    }

    fn drain(&mut self, news: &mut dyn FnMut(News<'_>)) {
        // First, for what the program then keeps from a socket is in the ring below.
        self.take_answers();
        let Self { program, ports, routers, memory, buffer, attacher, tap, .. } = self;
        if let Some(program) = program {
            program.drain(&mut |event, packet| {
                // News of a router that was removed, or moved, meanwhile is nobody's.
                if routers.get(&event.router).is_some_and(|router| router.port == event.port) {
                    news(News {
                        router: RouterId(event.router),
                        at: Instant::from_nanos(event.at),
                        remarks: event.remarks,
                        packet,
                    });
                }
            });
        }
        for (&number, port) in ports.iter_mut() {
            let (listening, ifindex) = (port.listening, port.key.ifindex);
            let Some(socket) = port.socket() else {
                continue;
            };
            for _ in 0..MOST_QUEUED {
                let Some(arrived) = socket.receive(buffer) else {
                    break;
                };
                if !listening {
                    continue;
                }
                let bytes = &buffer[..arrived.len];
                let (verdict, is_news) = memory.take(number, bytes, arrived.place, arrived.at);
                if let (Some(to), Some(judged)) = (&*tap, Judged::of(&verdict)) {
                    let (at, link, bytes_of) = (arrived.at, Link::Ip, Vec::new());
                    let shown = Shown { at, ifindex, link, judged, length: 0, bytes: bytes_of };
                    if !to.show(bytes, arrived.length, shown) {
                        *tap = None;
                    }
                }
                if let (Verdict::Reject(counter, Owner::Router(router)), Some(program)) =
                    (verdict, &mut *program)
                    && counter.protocol_error().is_some()
                    && let Err(why) = program.clear_error(router)
                {
                    tracing::warn!(router, %why, "forgetting a router's last protocol error");
                }
                let Verdict::Accept(accepted) = verdict else { continue };
                if !is_news {
                    continue;
                }
                let end = accepted.offset + accepted.length;
                if let Some(packet) = bytes.get(accepted.offset..end) {
                    news(News {
                        router: RouterId(accepted.router),
                        at: arrived.at,
                        remarks: accepted.remarks,
                        packet,
                    });
                }
            }
            if let Some(socket) = port.lingering.take_if(|_| port.lingered) {
                attacher.close(socket);
            }
        }
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let ring = self.program.as_ref().map(Program::descriptor);
        let sockets = self.ports.values().flat_map(|port| {
            let first = match &port.receiver {
                Receiver::Socket(socket) => Some(socket),
                Receiver::Xdp | Receiver::None => None,
            };
            first.into_iter().chain(&port.lingering).map(PacketSocket::descriptor)
        });
        ring.into_iter().chain([self.attacher.descriptor()]).chain(sockets).collect()
    }

    fn counts(&self, router: RouterId) -> Counts {
        sum(
            self.memory.router_counts.get(&router.0),
            self.program.as_ref().and_then(|program| program.router_counts(router.0).ok()),
        )
    }

    fn protocol_error(&self, router: RouterId) -> u8 {
        // What the program noted came after whatever a socket saw, or it would have been cleared.
        match self.program.as_ref().map_or(0, |program| program.last_error(router.index())) {
            0 => self.memory.errors.get(&router.0).copied().unwrap_or_default(),
            error => error,
        }
    }

    fn refuse(&mut self, router: RouterId, remarks: u32, counter: Counter) {
        if self.routers.contains_key(&router.0) {
            self.memory.refuse(router.0, remarks, counter);
        }
    }

    fn mirror(&mut self, wanted: Wanted) -> std::io::Result<Mirror> {
        let kernel = self.program.as_ref().map(Program::mirror).transpose()?;
        let (tap, mirror) = Mirror::new(wanted, kernel);
        self.tap = Some(tap);
        Ok(mirror)
    }

    fn end_mirror(&mut self, why: &'static str) {
        if let Some(tap) = self.tap.take() {
            tap.end(why);
        }
    }

    fn rejected(&mut self) -> HashMap<Owner, Counts> {
        std::mem::take(&mut self.memory.rejected)
    }

    fn ports(&self) -> Vec<PortReport> {
        self.ports.iter().map(|(&number, port)| self.report(number, port)).collect()
    }

    fn missed(&mut self) -> Vec<RouterId> {
        let Self { ports, routers, .. } = self;
        if !ports.values().any(|port| port.missed) {
            return Vec::new();
        }
        let on = |router: &Router| ports.get(&router.port).is_some_and(|port| port.missed);
        let missed = routers.iter().filter(|(_, router)| on(router)).map(|(id, _)| RouterId(*id));
        let missed = missed.collect();
        for port in ports.values_mut() {
            port.missed = false;
        }
        missed
    }
}

/// Why nothing receives.
fn refusal(report: &PortReport) -> anyhow::Error {
    let why = report.why.as_deref().unwrap_or("no reason known");
    anyhow!("{}: cannot receive: {why}", report.interface)
}

fn sum(socket: Option<&Counts>, xdp: Option<Counts>) -> Counts {
    let mut total = xdp.unwrap_or_default();
    for (total, count) in total.0.iter_mut().zip(socket.iter().flat_map(|counts| &counts.0)) {
        // What was taken back is less than nothing on one side.
        *total = total.wrapping_add(*count);
    }
    total
}
